// A ModelRunner that does arithmetic instead of a model: every next id is a hash of all earlier ids, read back through
// blocks, rings and hidden rows exactly as docs/step.md prescribes. It throws when a row reads a position nobody wrote,
// so wrong bookkeeping cannot pass. Made for testing engines and schedulers, not runners.
import {
  type KvCapacity,
  MimoError,
  type ModelInfo,
  type ModelRunner,
  none,
  randomAt,
  type StepBatch,
  type StepResult,
} from '@mimokit/protocol';
import { MockMemory, mix } from './mock-memory.ts';
import { logSoftmax, pickId, type PickRow } from './mock-pick.ts';
import { validateBatch } from './mock-validate.ts';

export interface MockOptions {
  blocks?: number;
  windows?: number;
  blockTokens?: number;
  /** Ids 0 .. vocabSize-1; the last one is the end-of-sequence id. */
  vocabSize?: number;
  contextLength?: number;
  maxDraft?: number;
  /** Keys a sliding query sees, itself included. */
  windowKeys?: number;
  /** Slots of a ring; default windowKeys + maxDraft - 1, the fewest that can work. */
  ring?: number;
  /** Probability that a draft is right, 0..1. */
  draftQuality?: number;
  /** Called before each step, which fails if it throws (before anything is written) or answers late if it waits. */
  beforeStep?: (batch: StepBatch, step: number) => void | Promise<void>;
}

/** One row while it runs. */
interface RowState {
  window: number;
  context: number;
  blocks: Int32Array;
  tokens: Int32Array;
  draftLen: number;
  draftNext: number;
  pick: PickRow;
  /** Hash over all tokens, and values of the sliding layers, by position; only what this step needs. */
  all: number;
  ring: Map<number, number>;
  hidden: Map<number, number>;
}

const moeLayers = 2;
const topK = 2;
const experts = 8;

/** A deterministic runner: equal options, equal answers, whatever the batching. */
export class MockRunner implements ModelRunner {
  readonly info: ModelInfo;
  readonly capacity: KvCapacity;
  readonly maxDraft: number;
  /** Steps so far, and the most rows one had. */
  steps = 0;
  mostRows = 0;
  isDisposed = false;
  readonly #windowKeys: number;
  readonly #draftQuality: number;
  readonly #memory: MockMemory;
  readonly #ring: number;
  readonly #beforeStep: MockOptions['beforeStep'];
  #isBusy = false;

  constructor(options: MockOptions = {}) {
    const { blocks = 64, windows = 8, blockTokens = 4, vocabSize = 48, contextLength = 4096, maxDraft = 3 } = options;
    this.#windowKeys = options.windowKeys ?? 6;
    this.#ring = options.ring ?? this.#windowKeys + Math.max(1, maxDraft) - 1;
    this.#draftQuality = options.draftQuality ?? 0.7;
    this.#beforeStep = options.beforeStep;
    this.capacity = { blocks, windows, blockTokens };
    this.maxDraft = maxDraft;
    this.info = {
      vocabSize,
      contextLength,
      eosTokenIds: [vocabSize - 1],
      layers: 4,
      moeLayers,
      experts,
      topK,
      blockBytes: 1024 * blockTokens,
      // Nothing but its own key is seen, and no head has any: as of a model without sliding layers.
      windowBytes: this.#windowKeys === 1 && maxDraft === 0 ? 0 : 2048 * this.#ring,
    };
    const sizes = { blocks, windows, blockTokens, ring: this.#ring, heads: maxDraft, hiddenRows: maxDraft };
    this.#memory = new MockMemory(sizes);
  }

  async step(batch: StepBatch): Promise<StepResult> {
    if (this.isDisposed) throw new MimoError('runner-disposed', 'The mock runner was disposed.');
    if (this.#isBusy) throw new MimoError('batch-invalid', 'A step is in progress; steps run one at a time.');
    this.#isBusy = true;
    try {
      this.steps++;
      await this.#beforeStep?.(batch, this.steps);
      validateBatch(batch, this.info, this.capacity, this.maxDraft);
      return this.#run(batch);
    } finally {
      this.#isBusy = false;
    }
  }

  async dispose(): Promise<void> {
    this.isDisposed = true;
  }

  #run(batch: StepBatch): StepResult {
    const rows = batch.contextLen.length;
    this.mostRows = Math.max(this.mostRows, rows);
    for (let row = 0; row < rows; row++) {
      if (batch.copyWindow[row] !== none) this.#memory.copyWindow(batch.copyWindow[row], batch.windows[row]);
      const [from, to] = batch.copyBlock.subarray(row * 2, row * 2 + 2);
      if (from !== none) this.#memory.copyBlock(from, to);
    }
    const tokens: number[] = [];
    const tokenStart = [0];
    const drafts: number[] = [];
    const draftStart = [0];
    const logprobs: number[] = [];
    const rivals: number[] = [];
    const routes: number[] = [];
    for (let index = 0; index < rows; index++) {
      const row = rowState(batch, index);
      this.#forward(row);
      const end = row.context + row.tokens.length;
      const ids = batch.samples[index] === 1 ? this.#pickAll(row) : [];
      const committed = ids.length === 0 ? end : end - row.draftLen + ids.length - 1;
      const proposals = this.#draft(row, ids, committed);
      if (batch.topLogprobs[index] > 0) {
        ids.forEach((id, offset) => {
          const logs = logSoftmax(this.#logits(row.hidden.get(end - 1 - row.draftLen + offset)!));
          const best = Array.from(logs.keys()).sort((a, b) => logs[b] - logs[a] || a - b);
          logprobs.push(logs[id]);
          for (const rival of best.slice(0, batch.topLogprobs[index])) {
            rivals.push(rival);
            logprobs.push(logs[rival]);
          }
        });
      }
      if (batch.wantRoutes[index] === 1) {
        for (let position = row.context; position < end; position++)
          routes.push(...routesOf(row.hidden.get(position)!));
      }
      if (batch.saveWindow[index] !== none) this.#memory.copyWindow(row.window, batch.saveWindow[index]);
      tokens.push(...ids);
      tokenStart.push(tokens.length);
      drafts.push(...proposals);
      draftStart.push(drafts.length);
    }
    return {
      tokens: Int32Array.from(tokens),
      tokenStart: Int32Array.from(tokenStart),
      drafts: Int32Array.from(drafts),
      draftStart: Int32Array.from(draftStart),
      logprobs: Float32Array.from(logprobs),
      rivals: Int32Array.from(rivals),
      routes: Uint8Array.from(routes),
    };
  }

  /** All positions of the row: reads what was committed, writes what is new, the rings afterwards. */
  #forward(row: RowState): void {
    const { context, tokens, window } = row;
    for (let position = 0; position < context; position++) {
      row.all = mix(row.all, this.#memory.readBlock(row.blocks, position));
    }
    for (let position = Math.max(0, context - this.#windowKeys + 1); position < context; position++) {
      row.ring.set(position, this.#memory.readRing(window, 0, position).value);
    }
    tokens.forEach((token, offset) => this.#advance(row, context + offset, token));
    const end = context + tokens.length;
    tokens.forEach((token, offset) => this.#memory.writeBlock(row.blocks, context + offset, token));
    for (let position = Math.max(context, end - this.#ring); position < end; position++) {
      this.#memory.writeRing(window, 0, position, row.ring.get(position)!);
    }
  }

  /** One position: its ring value from those before, its hidden row from everything. */
  #advance(row: RowState, position: number, token: number): void {
    let value = mix(token, position);
    for (let key = Math.max(0, position - this.#windowKeys + 1); key < position; key++)
      value = mix(value, row.ring.get(key)!);
    row.ring.set(position, value);
    row.all = mix(row.all, token);
    row.hidden.set(position, mix(row.all, value));
  }

  #logits(hidden: number): Float64Array {
    return Float64Array.from({ length: this.info.vocabSize }, (_, id) => (mix(hidden, id) >>> 8) / 2 ** 21 - 4);
  }

  /** Accepted drafts, then the one id drawn after them. */
  #pickAll(row: RowState): number[] {
    const ids: number[] = [];
    const counts = new Map(row.pick.counts);
    const first = row.context + row.tokens.length - row.draftLen;
    for (let offset = 0; offset <= row.draftLen; offset++) {
      const position = first + offset;
      const id = pickId(this.#logits(row.hidden.get(position - 1)!), { ...row.pick, counts }, position);
      ids.push(id);
      if (counts.size > 0) counts.set(id, (counts.get(id) ?? 0) + 1);
      if (offset === row.draftLen || row.tokens[row.tokens.length - row.draftLen + offset] !== id) break;
    }
    return ids;
  }

  /** Runs the MTP heads: keeps their rings final up to `committed`, and proposes ids if the row samples. */
  #draft(row: RowState, ids: readonly number[], committed: number): number[] {
    const { window, context } = row;
    const known = (position: number): number =>
      position < context ? this.#memory.readBlock(row.blocks, position) : row.tokens[position - context];
    const hiddenAt = (position: number): number =>
      position < context ? this.#memory.readHidden(window, position) : row.hidden.get(position)!;
    // Ids from position committed on: the one emitted last, then the drafts of the lower heads.
    const next = ids.slice(-1);
    const proposals: number[] = [];
    const truth = this.#truth(row, ids, committed);
    for (let head = 0; head < this.maxDraft; head++) {
      const ring = 1 + head;
      const wants = head < row.draftNext;
      for (let position = Math.max(0, context - 1 - head); position < committed; position++) {
        const source = position + 1 + head;
        const id = source < committed ? known(source) : next[source - committed];
        if (id === undefined) break;
        // Only the last `ring` positions are stored, as a chunk longer than the ring would.
        if (position < committed - this.#ring) continue;
        this.#memory.writeRing(window, ring, position, mix(hiddenAt(position), id), id);
      }
      if (!wants) continue;
      let seen = head;
      for (let position = Math.max(0, committed - this.#windowKeys); position < committed; position++) {
        const slot = this.#memory.readRing(window, ring, position);
        const source = position + 1 + head;
        const expected = source < committed ? known(source) : next[source - committed];
        if (slot.id !== expected) {
          throw new MimoError(
            'batch-invalid',
            `Head ${head} has id ${slot.id} for position ${source}, not ${expected}.`,
          );
        }
        seen = mix(seen, slot.value);
      }
      const isRight = randomAt(seen, committed + head) < this.#draftQuality;
      const right = truth(head);
      const draft = isRight ? right : (right + 1 + ((seen >>> 4) % (this.info.vocabSize - 1))) % this.info.vocabSize;
      proposals.push(draft);
      next.push(draft);
    }
    for (let position = Math.max(context, committed - this.maxDraft); position < committed; position++) {
      this.#memory.writeHidden(window, position, row.hidden.get(position)!);
    }
    return proposals;
  }

  /** The ids that will really come after `ids`, computed on the side. */
  #truth(row: RowState, ids: readonly number[], committed: number): (index: number) => number {
    const future: number[] = [];
    const side: RowState = { ...row, ring: new Map(row.ring), hidden: new Map(), all: 0 };
    const counts = new Map(row.pick.counts);
    if (counts.size > 0) for (const id of ids) counts.set(id, (counts.get(id) ?? 0) + 1);
    for (let position = 0; position < committed; position++) {
      const token =
        position < row.context ? this.#memory.readBlock(row.blocks, position) : row.tokens[position - row.context];
      side.all = mix(side.all, token);
    }
    let last = ids.at(-1)!;
    return (index) => {
      while (future.length <= index) {
        const position = committed + future.length;
        this.#advance(side, position, last);
        last = pickId(this.#logits(side.hidden.get(position)!), { ...row.pick, counts }, position + 1);
        if (counts.size > 0) counts.set(last, (counts.get(last) ?? 0) + 1);
        future.push(last);
      }
      return future[index];
    };
  }
}

function rowState(batch: StepBatch, index: number): RowState {
  const sparse = (start: Int32Array, ids: Int32Array, values: ArrayLike<number>): Map<number, number> => {
    const map = new Map<number, number>();
    for (let at = start[index]; at < start[index + 1]; at++) map.set(ids[at], values[at]);
    return map;
  };
  return {
    window: batch.windows[index],
    context: batch.contextLen[index],
    blocks: batch.blockTable.subarray(batch.blockStart[index], batch.blockStart[index + 1]),
    tokens: batch.tokens.subarray(batch.rowStart[index], batch.rowStart[index + 1]),
    draftLen: batch.draftLen[index],
    draftNext: batch.draftNext[index],
    pick: {
      sampling: batch.sampling.subarray(index * 7, index * 7 + 7),
      seed: batch.seeds[index],
      bias: sparse(batch.biasStart, batch.biasIds, batch.biasValues),
      counts: sparse(batch.countStart, batch.countIds, batch.countValues),
    },
    all: 0,
    ring: new Map(),
    hidden: new Map(),
  };
}

function routesOf(hidden: number): number[] {
  const routes: number[] = [];
  for (let layer = 0; layer < moeLayers; layer++) {
    const first = (mix(hidden, layer) >>> 3) % experts;
    const second = (first + 1 + ((mix(hidden, layer) >>> 9) % (experts - 1))) % experts;
    routes.push(Math.min(first, second), Math.max(first, second));
  }
  return routes;
}
