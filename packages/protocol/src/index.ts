// The nouns every package shares.
export type {
  ChatModel,
  ChatRequest,
  ChatStream,
  GenerateEvent,
  GenerateRequest,
  TokenLogprob,
  TokenModel,
} from './chat-model.ts';
export type { AttentionInfo, CheckpointInfo } from './checkpoint-info.ts';
export { type ErrorCode, errorCodes, isMimoError, MimoError, type MimoErrorDetails } from './errors.ts';
export type { FinishReason, PromptProgress, StreamEvent, TextLogprob, Usage } from './event.ts';
export {
  isJsonObject,
  jsonEntries,
  jsonGet,
  type JsonObject,
  type JsonValue,
  NumberLiteral,
  readJson,
  type ReadJsonOptions,
  writeJson,
} from './json.ts';
export { leanSchema } from './lean-schema.ts';
export type {
  AssistantMessage,
  Content,
  MediaPart,
  Message,
  SystemMessage,
  TextPart,
  ToolCall,
  ToolCallFlag,
  ToolMessage,
  UserMessage,
} from './message.ts';
export { greedySampling, randomAt, resolveSampling, type Sampling } from './sampling.ts';
export {
  type Inspector,
  type KvCapacity,
  type ModelInfo,
  type ModelRunner,
  none,
  type RunnerFactory,
  type RunnerOptions,
  type StepBatch,
  type StepResult,
  type Tensor,
} from './step.ts';
export { type Tool, type ToolChoice, toolEntries } from './tool.ts';
