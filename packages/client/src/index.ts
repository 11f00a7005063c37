// A chat model over HTTP, and the tool loop (also as the subpath /run-tools, without HTTP).
export { type ClientOptions, createClient } from './client.ts';
export type { EndpointOptions } from './endpoint.ts';
export type { RetryNotice, Timeouts } from './exchange.ts';
export type { ClientLimits, HttpOptions } from './http-model.ts';
export { type Cost, costOf, type Price, prices } from './price.ts';
export { type CompletionsDialect, type Preset, type PresetName, presets, type ReasoningField } from './presets.ts';
export type { RetryPolicy } from './retry.ts';
export {
  type Approval,
  type ArgumentProblem,
  type CallHooks,
  type CallResult,
  isStandardSchema,
  type JsonToolOptions,
  type Outcome,
  type PreparedCall,
  type RunnableTool,
  runTools,
  type StandardToolOptions,
  toJsonSchema,
  tool,
  type ToolContext,
  type ToolLoop,
  type ToolLoopEvent,
  type ToolLoopRequest,
  type ToolLoopResult,
} from './run-tools.ts';
