// What @mimokit/runtime/process offers: a runner in a process of its own, started again when it dies. Node only.
export { type LosableRunner, processRunner, type ProcessRunner, type ProcessRunnerParts } from './process-runner.ts';
export { supervised, type SupervisedRunner, type SupervisionEvent, type SupervisionOptions } from './supervise.ts';
