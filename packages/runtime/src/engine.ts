// The loop: place, run, apply, emit. Ids in, ids out; knows no text and no tensors. What a request may be is request.ts,
// what gets room is placement.ts, what a result means is apply.ts.
import {
  type FinishReason,
  type GenerateEvent,
  isMimoError,
  MimoError,
  type ModelInfo,
  type ModelRunner,
  none,
  type StepResult,
  type Usage,
} from '@mimokit/protocol';
import { type AppliedRow, applyResult, certain, checkResult, extend } from './apply.ts';
import { buildBatch } from './batch.ts';
import { breathe } from './breathe.ts';
import { measuredDraftDepth } from './draft/measured.ts';
import type { DraftPolicy } from './draft/policy.ts';
import type { GuidedRequest } from './guide.ts';
import { KvManager } from './kv/kv-manager.ts';
import { type CacheReport, whyMiss } from './kv/why-miss.ts';
import { isMemoryLost } from './lost-memory.ts';
import { type PlacedRow, Placement } from './placement.ts';
import { checkRequest } from './request.ts';
import { hasPenalties, TokenCounts } from './sampling.ts';
import { fairScheduler, type Scheduler } from './scheduler.ts';
import { createSequence, remainingTokens, type Sequence } from './sequence.ts';
import { type EngineStats, type StepRecord, Tally } from './stats.ts';
import { TokenStream } from './token-stream.ts';

export interface EngineParts {
  /** Stays the caller's: disposing the engine does not dispose it. Runs for this engine only. */
  runner: ModelRunner;
  /** Default: fairScheduler(). */
  scheduler?: Scheduler;
  /** Default: measuredDraftDepth(). */
  drafts?: DraftPolicy;
  /** Most tokens of one step, prompts and drafts together; default 512. Never changes ids. */
  tokenBudget?: number;
  /** Most sequences running at once; default: the runner's windows. */
  maxRows?: number;
  /** Whether prefixes are kept and used again; default true. Never changes ids. */
  prefixCache?: boolean;
  /** Whether a window is also kept at the end of each prompt, for turns that drop the reasoning; default true. */
  keepsPrompts?: boolean;
  /** Checks every pool invariant after every step; slow, for tests. */
  verify?: boolean;
  /** Told of every step. */
  onStep?: (record: StepRecord) => void;
}

/** Ids in, ids out, over one runner. */
export interface Engine extends AsyncDisposable {
  readonly info: ModelInfo;
  /**
   * Starts at the first `next()`; leaving the loop cancels. An aborted request ends with reason `aborted`. Rejects with the
   * codes of checkRequest, with the runner's own error, or `runner-disposed`.
   */
  generate(request: GuidedRequest): AsyncIterable<GenerateEvent>;
  stats(): EngineStats;
  /** What of a prompt is cached now, and if not all, why. */
  explainCache(ids: ArrayLike<number>, namespace?: string): CacheReport;
  /** Rejects what is running, waits for a step in progress, and leaves nothing behind. Safe to call twice. */
  dispose(): Promise<void>;
}

/** An engine over a runner. Throws `invalid-argument` for impossible options. */
export function createEngine(parts: EngineParts): Engine {
  return new StepEngine(parts);
}

/** Losses of the runner in steps of one request, without getting further: from so many on it runs alone, and with so many it ends. */
const suspectLosses = 2;
const mostLosses = 5;

class StepEngine implements Engine {
  readonly info: ModelInfo;
  readonly #runner: ModelRunner;
  readonly #kv: KvManager;
  readonly #scheduler: Scheduler;
  readonly #drafts: DraftPolicy;
  readonly #placement: Placement;
  readonly #tally = new Tally();
  readonly #tokenBudget: number;
  readonly #isVerifying: boolean;
  readonly #onStep: ((record: StepRecord) => void) | undefined;
  readonly #sequences = new Set<Sequence>();
  #lastId = 0;
  #loop: Promise<void> | undefined;
  #isDisposed = false;

  constructor(parts: EngineParts) {
    const { runner, tokenBudget = 512, maxRows = runner.capacity.windows, prefixCache = true } = parts;
    for (const [field, value] of Object.entries({ tokenBudget, maxRows })) {
      if (!Number.isSafeInteger(value) || value < 1) {
        throw new MimoError('invalid-argument', `${field} is ${value}; it must be a count of at least 1.`, { field });
      }
    }
    this.info = runner.info;
    this.#runner = runner;
    this.#kv = new KvManager(runner.capacity, { isCaching: prefixCache, hasWindows: runner.info.windowBytes > 0 });
    this.#scheduler = parts.scheduler ?? fairScheduler();
    this.#drafts = parts.drafts ?? measuredDraftDepth();
    const keepsPrompts = prefixCache && (parts.keepsPrompts ?? true);
    const limits = { maxRows: Math.min(maxRows, runner.capacity.windows), prefixCache, keepsPrompts };
    this.#placement = new Placement(this.#kv, this.#scheduler, limits);
    this.#tokenBudget = tokenBudget;
    this.#isVerifying = parts.verify ?? false;
    this.#onStep = parts.onStep;
  }

  generate(request: GuidedRequest): AsyncIterable<GenerateEvent> {
    let sequence: Sequence | undefined;
    const { signal } = request;
    const abort = (): void => {
      if (sequence !== undefined) sequence.aborted = true;
    };
    const stream: TokenStream = new TokenStream(() => {
      if (this.#isDisposed) throw disposed();
      const checked = checkRequest(request, this.info, this.#runner.capacity);
      const counts = hasPenalties(checked.sampling) ? new TokenCounts(checked.prompt) : undefined;
      sequence = createSequence(++this.#lastId, checked, counts, stream);
      if (this.#begin(sequence)) return;
      sequence.onEnd = () => signal?.removeEventListener('abort', abort);
      signal?.addEventListener('abort', abort, { once: true });
      sequence.aborted = signal?.aborted ?? false;
      this.#sequences.add(sequence);
      this.#scheduler.add(sequence);
      this.#loop ??= this.#run();
    }, abort);
    return stream;
  }

  stats(): EngineStats {
    const running = [...this.#sequences].filter((sequence) => sequence.state === 'live').length;
    const waiting = this.#sequences.size - running;
    return this.#tally.read(this.#kv, this.info, { waiting, running, preemptions: this.#placement.preemptions });
  }

  explainCache(ids: ArrayLike<number>, namespace = ''): CacheReport {
    return whyMiss(this.#kv, ids, namespace);
  }

  async dispose(): Promise<void> {
    this.#isDisposed = true;
    await this.#loop;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  /** Ids that the guide gives before any is drawn. True when the answer ends with them. */
  #begin(sequence: Sequence): boolean {
    const { request, stream } = sequence;
    const { answer, reason } = extend(sequence, [], this.info);
    if (answer.length > 0) {
      stream.push({
        type: 'tokens',
        ids: answer,
        ...(request.topLogprobs > 0 && { logprobs: answer.map(certain) }),
      });
    }
    if (reason === undefined) return false;
    stream.push({ type: 'finish', reason, usage: usageOf(sequence) });
    return true;
  }

  /** Runs while there is a sequence. Other work of the process gets its turn before every step. */
  async #run(): Promise<void> {
    try {
      for (;;) {
        await breathe();
        if (this.#isDisposed) for (const sequence of this.#sequences) this.#fail(sequence, disposed());
        for (const sequence of this.#sequences) if (sequence.aborted) this.#finish(sequence, 'aborted');
        if (this.#sequences.size === 0) return;
        await this.#step();
        if (this.#isVerifying) this.#kv.checkIntegrity(this.#sequences);
      }
    } catch (error) {
      // Not a runner's error but one of ours or of a plugged-in part: nobody may wait for ever.
      for (const sequence of this.#sequences)
        this.#fail(sequence, error instanceof Error ? error : new Error(String(error)));
    } finally {
      this.#loop = undefined;
    }
  }

  async #step(): Promise<void> {
    const rows = this.#suspectAlone(this.#placement.plan(this.#tokenBudget));
    if (rows.length === 0) {
      throw new MimoError('invalid-argument', `The scheduler left ${this.#sequences.size} sequences without a row.`, {
        hint: 'order() must list every sequence that was added and not removed.',
      });
    }
    const depth = Math.min(
      this.#drafts.depth({ rows: rows.length, maxDraft: this.#runner.maxDraft }),
      this.#runner.maxDraft,
    );
    for (const row of rows) row.draftNext = draftsWanted(row, depth);
    const batch = buildBatch(rows, this.#kv);
    this.#tally.steps++;
    for (const { sequence } of rows) sequence.lastStep = this.#tally.steps;

    const started = performance.now();
    let result: StepResult;
    try {
      result = await this.#runner.step(batch);
      checkResult(rows, result, this.info);
    } catch (error) {
      if (isMemoryLost(error)) this.#loseMemory(rows, error);
      else this.#failRows(rows, error);
      return;
    }
    const milliseconds = performance.now() - started;
    const parts = { kv: this.#kv, drafts: this.#drafts, info: this.info };
    const applied = applyResult(rows, result, parts);
    this.#count(applied, batch.tokens.length, milliseconds);
    for (const { row, reason } of applied) if (reason !== undefined) this.#finish(row.sequence, reason);
  }

  #count(applied: readonly AppliedRow[], tokens: number, milliseconds: number): void {
    const tally = this.#tally;
    let emitted = 0;
    let drafts = 0;
    for (const { row, accepted, emitted: ids } of applied) {
      emitted += ids;
      drafts += row.draftLen;
      tally.acceptance.observe({ proposed: row.draftLen, accepted });
    }
    tally.stepMilliseconds += milliseconds;
    tally.completionTokens += emitted;
    this.#drafts.observeStep?.({ rows: applied.length, tokens, drafts, milliseconds });
    if (this.#onStep === undefined) return;
    const { waiting } = this.stats();
    this.#onStep({ step: tally.steps, rows: applied.length, tokens, drafts, emitted, milliseconds, waiting });
  }

  /** A request that may be what the runner dies of takes no others with it: it runs alone until it got further. */
  #suspectAlone(rows: PlacedRow[]): PlacedRow[] {
    const suspect = rows.find(({ sequence }) => sequence.losses >= suspectLosses);
    if (suspect === undefined) return rows;
    for (const row of rows) {
      if (row !== suspect && row.saveWindow !== none) this.#kv.settleSave(row.sequence, row.saveWindow, false);
    }
    return [suspect];
  }

  /** All keys and values are gone, the tokens are here. Suspected is who is in the step whenever it happens. */
  #loseMemory(rows: readonly PlacedRow[], error: MimoError): void {
    this.#tally.memoryLosses++;
    for (const { sequence, saveWindow } of rows) {
      if (saveWindow !== none) this.#kv.settleSave(sequence, saveWindow, false);
    }
    this.#placement.loseMemory();
    if (error.details['inStep'] !== true) return;
    for (const { sequence } of rows) {
      if (++sequence.losses < mostLosses) continue;
      const hint = 'Send it alone and look at the standard error of the runner; other requests go on.';
      this.#fail(
        sequence,
        new MimoError('runner-failed', `The runner was lost ${mostLosses} times in steps of this request.`, {
          hint,
          cause: error,
        }),
      );
    }
  }

  /** Nobody knows what a failed step wrote, so its rows keep nothing. Other sequences and kept windows stay usable. */
  #failRows(rows: readonly PlacedRow[], error: unknown): void {
    const cause = isMimoError(error)
      ? error
      : new MimoError('runner-failed', `The runner failed in a step of ${rows.length} rows: ${messageOf(error)}`, {
          hint: 'Send the request again; if it fails again, run `mimokit doctor`.',
          cause: error,
        });
    for (const { sequence, saveWindow } of rows) {
      if (saveWindow !== none) this.#kv.settleSave(sequence, saveWindow, false);
    }
    for (const { sequence } of rows) this.#fail(sequence, cause);
  }

  #fail(sequence: Sequence, error: Error): void {
    this.#end(sequence, false);
    sequence.stream.fail(error);
  }

  #finish(sequence: Sequence, reason: FinishReason): void {
    this.#end(sequence, true);
    sequence.stream.push({ type: 'finish', reason, usage: usageOf(sequence) });
  }

  #end(sequence: Sequence, keeps: boolean): void {
    if (sequence.state === 'live') this.#kv.release(sequence, keeps);
    if (sequence.wasAdmitted) {
      this.#tally.promptTokens += sequence.request.prompt.length;
      this.#tally.cachedTokens += sequence.cachedTokens;
    }
    this.#tally.finished++;
    sequence.state = 'finished';
    this.#sequences.delete(sequence);
    this.#scheduler.remove(sequence);
    sequence.onEnd();
  }
}

/** More drafts than ids that may still follow would be run for nothing. */
function draftsWanted({ sequence, samples }: PlacedRow, depth: number): number {
  if (!samples || !sequence.request.mtp) return 0;
  return Math.max(0, Math.min(depth, remainingTokens(sequence) - 2));
}

function usageOf(sequence: Sequence): Usage {
  return {
    promptTokens: sequence.request.prompt.length,
    cachedTokens: sequence.cachedTokens,
    completionTokens: sequence.emitted,
    reasoningTokens: 0,
    acceptLengths: sequence.acceptLengths,
  };
}

function disposed(): MimoError {
  return new MimoError('runner-disposed', 'The engine was disposed.', { hint: 'Open the model again.' });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
