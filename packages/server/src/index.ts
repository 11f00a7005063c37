// Any ChatModel behind HTTP.
export { createHandler, type Handler, type HandlerOptions, type RequestRecord } from './handler.ts';
export type { ChatDefaults } from './exchange.ts';
export { defaultLimits, type Limits } from './limits.ts';
export type { ReasoningField } from './openai/chat-out.ts';
export type { RecallMode } from './reasoning-recall.ts';
export type { ToolDeltas } from './answers.ts';
