// Wire schemas, used by client and server in opposite directions.
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
