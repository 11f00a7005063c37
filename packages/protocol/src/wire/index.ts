// Wire schemas, used by client and server in opposite directions.
export {
  type AnthropicBlock,
  type AnthropicMessage,
  type AnthropicRequest,
  anthropicRequestSchema,
  type AnthropicTool,
  type AnthropicUsage,
} from './anthropic-messages.ts';
export {
  type ChatCompletion,
  type ChatCompletionChunk,
  type ChatCompletionDelta,
  type ChatCompletionMessage,
  type ChatCompletionPart,
  type ChatCompletionRequest,
  type ChatCompletionTool,
  type ChatCompletionToolCall,
  type ChatCompletionToolCallDelta,
  type ChatCompletionToolChoice,
  type ChatCompletionUsage,
  type ChatErrorEnvelope,
  type ChatPromptProgress,
  chatCompletionChunkSchema,
  chatCompletionRequestSchema,
  chatCompletionSchema,
  readChatError,
} from './openai-chat.ts';
export {
  fromOpenAIMessages,
  fromOpenAITools,
  type OpenAIAssistantMessage,
  type OpenAIMessage,
  type OpenAIToolCall,
  toOpenAIAssistant,
  toOpenAIMessages,
  toOpenAITools,
} from './openai-messages.ts';
export {
  type ResponsesItem,
  type ResponsesOutputItem,
  type ResponsesPart,
  type ResponsesRequest,
  responsesRequestSchema,
  type ResponsesTool,
  type ResponsesUsage,
} from './openai-responses.ts';
