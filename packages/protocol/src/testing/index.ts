// For tests of chat models and runners, users' own ones included: the laws of each, rows as objects, a hand-driven sequence.
export {
  type ChatModelLaw,
  chatModelLaws,
  type ConformanceRequests,
  type OpenChatModel,
} from './chat-model-conformance.ts';
export { type OpenRunner, type RunnerLaw, runnerLaws } from './runner-conformance.ts';
export { packRows, type StepRow, type StepRowResult, unpackRows } from './step-rows.ts';
export { type RowOptions, type SequencePlace, StepSequence, stepTogether } from './step-sequence.ts';
