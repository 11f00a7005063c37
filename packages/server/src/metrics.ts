// What is counted, as Prometheus text. Names follow vLLM's where it has one. Counting only: nothing here decides anything.
import { type ChatModel, type FinishReason, isMimoError, type Usage } from '@mimokit/protocol';
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Gate } from './limits.ts';

/** One request's answers, as they are measured. */
export interface AnswerMeter {
  /** Something came; only the first time counts. */
  arrived(): void;
  finished(reason: FinishReason, usage: Usage): void;
  /** The request is over; with an error when it failed. Safe to call twice. */
  end(error?: unknown): void;
}

export interface Metrics {
  readonly contentType: string;
  text(): Promise<string>;
  request(route: string, status: number, seconds: number): void;
  restored(messages: number): void;
  answer(model: string): AnswerMeter;
}

/** The part of an engine's statistics that is shown; a model that runs here has `stats()`. */
interface Counted {
  stats?: () => {
    waiting: number;
    running: number;
    preemptions: number;
    memoryLosses: number;
    drafts: { proposed: number; accepted: number };
    kv: { blocks: number; blocksFree: number; windows: number; windowsLive: number; bytesLive: number };
  };
}

const secondsBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300];
const perTokenBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];

export function createMetrics(models: readonly ChatModel[], gate: Gate, ofProcess: boolean): Metrics {
  const registry = new Registry();
  if (ofProcess) collectDefaultMetrics({ register: registry });
  const registers = [registry];
  const count = (name: string, help: string, labelNames: string[]): Counter =>
    new Counter({ name, help, labelNames, registers });
  const time = (name: string, help: string, labelNames: string[], buckets: number[]): Histogram =>
    new Histogram({ name, help, labelNames, buckets, registers });
  const requests = count('mimokit_requests_total', 'Requests by route and status.', ['route', 'status']);
  const durations = time('mimokit_request_seconds', 'Request to headers, by route.', ['route'], secondsBuckets);
  const prompt = count('mimokit_prompt_tokens_total', 'Prompt tokens of finished answers.', ['model']);
  const cached = count('mimokit_cached_tokens_total', 'Prompt tokens found in the prefix cache.', ['model']);
  const completion = count('mimokit_completion_tokens_total', 'Generated tokens of finished answers.', ['model']);
  const finished = count('mimokit_answers_total', 'Answers by how they ended.', ['model', 'reason']);
  const restored = count('mimokit_reasoning_restored_total', 'Messages whose dropped reasoning was put back.', []);
  const first = time('mimokit_time_to_first_token_seconds', 'Start to first event.', ['model'], secondsBuckets);
  const perToken = time('mimokit_time_per_output_token_seconds', 'After the first.', ['model'], perTokenBuckets);
  const queue = new Gauge({
    name: 'mimokit_requests',
    help: 'Answers that run and requests that wait.',
    labelNames: ['state'],
    registers,
    collect(): void {
      queue.set({ state: 'running' }, gate.running);
      queue.set({ state: 'waiting' }, gate.waiting);
    },
  });
  const engine = new Gauge({
    name: 'mimokit_engine',
    help: 'The engine behind a model: sequences, blocks, windows, drafts.',
    labelNames: ['model', 'what'],
    registers,
    collect(): void {
      for (const model of models)
        for (const [what, value] of engineFigures(model)) engine.set({ model: model.modelId, what }, value);
    },
  });

  return {
    contentType: registry.contentType,
    text: () => registry.metrics(),
    request(route, status, seconds) {
      requests.inc({ route, status });
      durations.observe({ route }, seconds);
    },
    restored: (messages) => void (messages > 0 && restored.inc(messages)),
    answer(model) {
      const started = performance.now();
      let firstAt: number | undefined;
      let hasFinished = false;
      let isOver = false;
      return {
        arrived() {
          if (firstAt !== undefined) return;
          firstAt = performance.now();
          first.observe({ model }, (firstAt - started) / 1000);
        },
        finished(reason, usage) {
          hasFinished = true;
          prompt.inc({ model }, usage.promptTokens);
          cached.inc({ model }, usage.cachedTokens);
          completion.inc({ model }, usage.completionTokens);
          finished.inc({ model, reason });
          if (usage.completionTokens > 1 && firstAt !== undefined) {
            perToken.observe({ model }, (performance.now() - firstAt) / 1000 / (usage.completionTokens - 1));
          }
        },
        end(error) {
          if (isOver) return;
          isOver = true;
          if (hasFinished) return;
          // No error and no finish: the client left.
          const left = error === undefined || isMimoError(error, 'aborted');
          finished.inc({ model, reason: left ? 'aborted' : 'failed' });
        },
      };
    },
  };
}

function engineFigures(model: ChatModel): [string, number][] {
  const stats = (model as ChatModel & Counted).stats?.();
  if (stats === undefined) return [];
  const { waiting, running, preemptions, memoryLosses, drafts, kv } = stats;
  return [
    ['waiting', waiting],
    ['running', running],
    ['preemptions', preemptions],
    ['memory_losses', memoryLosses],
    ['drafts_proposed', drafts.proposed],
    ['drafts_accepted', drafts.accepted],
    ['blocks', kv.blocks],
    ['blocks_free', kv.blocksFree],
    ['windows', kv.windows],
    ['windows_live', kv.windowsLive],
    ['kv_bytes_live', kv.bytesLive],
  ];
}
