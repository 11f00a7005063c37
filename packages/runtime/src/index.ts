// What @mimokit/runtime offers.
export { type ChatParts, createChat, type LocalChat, type PromptEncoder } from './chat.ts';
export { createEngine, type Engine, type EngineParts } from './engine.ts';
export {
  expertCost,
  linearCost,
  type MeasuredDraftOptions,
  measuredDraftDepth,
  type StepCost,
} from './draft/measured.ts';
export {
  adaptiveDraftDepth,
  type AdaptiveDraftOptions,
  type DraftLoad,
  type DraftPolicy,
  fixedDraftDepth,
} from './draft/policy.ts';
export type { Demand, Guide, GuidedRequest } from './guide.ts';
export { formatBytes, type KvNeed, needOf, poolBytes } from './kv/geometry.ts';
export type { CacheReport } from './kv/why-miss.ts';
export { isMemoryLost, memoryLost } from './lost-memory.ts';
export { type LocalModel, openModel, type OpenModelOptions } from './open-model.ts';
export {
  createScheduler,
  fairRows,
  fairScheduler,
  priorityScheduler,
  rowOf,
  type ScheduledRow,
  type Scheduler,
  type SchedulingPolicy,
} from './scheduler.ts';
export type { Sequence, SequenceRequest } from './sequence.ts';
export type { EngineStats, StepRecord } from './stats.ts';
