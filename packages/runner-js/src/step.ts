// One step, exactly as docs/step.md has it: copies, forward, pick, heads, save. The batch is valid already (batch.ts).
import { none, type StepBatch, type StepResult } from '@mimokit/protocol';
import { samplingWidth } from './batch.ts';
import { embed, lmHead, runLayer } from './forward.ts';
import { kvCopy } from './kv.ts';
import type { Routes } from './moe.ts';
import { runHeads } from './mtp.ts';
import { createSlice, type Part, type Pass } from './pass.ts';
import { logProbabilities, pick, type PickRules } from './pick.ts';

/** Tokens that go through the layers together: enough to use a weight more than once, few enough to keep the event loop awake. */
const sliceTokens = 8;

export async function runStep(pass: Pass, batch: StepBatch, pickableIds: number): Promise<StepResult> {
  const { hiddenSize } = pass.model.config;
  const rows = batch.windows.length;
  kvCopy(pass.kv, batch);

  const hidden = new Float32Array(batch.tokens.length * hiddenSize);
  const routes = new RouteRecord(pass, batch);
  for (let first = 0; first < batch.tokens.length; first += sliceTokens) {
    const end = Math.min(batch.tokens.length, first + sliceTokens);
    const slice = createSlice(pass.model, partsBetween(batch, first, end));
    const x = hidden.subarray(first * hiddenSize, end * hiddenSize);
    embed(pass, batch.tokens.subarray(first, end), x);
    for (let layer = 0; layer < pass.model.layers.length; layer++) {
      await runLayer(pass, layer, slice, x, (layer, found) => routes.add(layer, first, found));
    }
  }

  const result = new ResultArrays();
  for (let row = 0; row < rows; row++) {
    const own = hidden.subarray(batch.rowStart[row] * hiddenSize, batch.rowStart[row + 1] * hiddenSize);
    const emitted = batch.samples[row] === 0 ? [] : await pickRow(pass, batch, row, own, pickableIds, result);
    const tokens = batch.tokens.subarray(batch.rowStart[row], batch.rowStart[row + 1]);
    const sure = tokens.length - batch.draftLen[row];
    const drafts = await runHeads(pass, {
      window: batch.windows[row],
      contextLen: batch.contextLen[row],
      committed: batch.contextLen[row] + sure + Math.max(0, emitted.length - 1),
      ids: Int32Array.from([...tokens.subarray(0, sure), ...emitted]),
      samples: batch.samples[row] !== 0,
      draftNext: batch.draftNext[row],
      hidden: own,
      pickableIds,
    });
    result.closeRow(emitted, drafts);
    if (batch.saveWindow[row] !== none) pass.kv.copyWindow(batch.windows[row], batch.saveWindow[row]);
  }
  return { ...result.arrays(batch), ...routes.arrays() };
}

/** The parts of rows that lie in tokens[first .. end). */
function partsBetween(batch: StepBatch, first: number, end: number): Part[] {
  const parts: Part[] = [];
  for (let row = 0; row < batch.windows.length; row++) {
    const from = Math.max(first, batch.rowStart[row]);
    const to = Math.min(end, batch.rowStart[row + 1]);
    if (from >= to) continue;
    parts.push({
      offset: from - first,
      count: to - from,
      start: batch.contextLen[row] + from - batch.rowStart[row],
      table: batch.blockTable.subarray(batch.blockStart[row], batch.blockStart[row + 1]),
      window: batch.windows[row],
    });
  }
  return parts;
}

async function pickRow(
  pass: Pass,
  batch: StepBatch,
  row: number,
  hidden: Float32Array,
  pickableIds: number,
  result: ResultArrays,
): Promise<number[]> {
  const { hiddenSize, vocabSize } = pass.model.config;
  const drafts = batch.draftLen[row];
  const tokens = batch.rowStart[row + 1] - batch.rowStart[row];
  const logits = pass.memory.take('logits', (drafts + 1) * vocabSize);
  await lmHead(pass, pass.model.finalNorm, hidden.subarray((tokens - 1 - drafts) * hiddenSize), drafts + 1, logits);
  const position = batch.contextLen[row] + tokens - drafts;
  const fed = batch.tokens.subarray(batch.rowStart[row + 1] - drafts, batch.rowStart[row + 1]);
  const emitted = pick(logits, vocabSize, position, fed, pickRules(batch, row, pickableIds));
  const best = Math.min(batch.topLogprobs[row], vocabSize);
  if (best > 0)
    emitted.forEach((id, index) =>
      result.addLogprobs(logits.subarray(index * vocabSize, (index + 1) * vocabSize), id, best),
    );
  return emitted;
}

function pickRules(batch: StepBatch, row: number, pickableIds: number): PickRules {
  const [temperature, topP, topK, minP, repetitionPenalty, frequencyPenalty, presencePenalty] = batch.sampling.subarray(
    row * samplingWidth,
  );
  const pairs = (ids: Int32Array, values: ArrayLike<number>, starts: Int32Array): Map<number, number> => {
    const map = new Map<number, number>();
    for (let index = starts[row]; index < starts[row + 1]; index++) map.set(ids[index], values[index]);
    return map;
  };
  return {
    temperature,
    topP,
    topK,
    minP,
    repetitionPenalty,
    frequencyPenalty,
    presencePenalty,
    seed: batch.seeds[row],
    counts: pairs(batch.countIds, batch.countValues, batch.countStart),
    bias: pairs(batch.biasIds, batch.biasValues, batch.biasStart),
    pickableIds,
  };
}

/** Emitted ids, drafts and log-probabilities of all rows, row after row. */
class ResultArrays {
  readonly #tokens: number[] = [];
  readonly #tokenStart: number[] = [0];
  readonly #drafts: number[] = [];
  readonly #draftStart: number[] = [0];
  readonly #logprobs: number[] = [];
  readonly #rivals: number[] = [];

  addLogprobs(logits: Float32Array, id: number, best: number): void {
    const { logprobs, rivals } = logProbabilities(logits, id, best);
    this.#logprobs.push(...logprobs);
    this.#rivals.push(...rivals);
  }

  closeRow(emitted: readonly number[], drafts: readonly number[]): void {
    this.#tokens.push(...emitted);
    this.#tokenStart.push(this.#tokens.length);
    this.#drafts.push(...drafts);
    this.#draftStart.push(this.#drafts.length);
  }

  arrays(batch: StepBatch): StepResult {
    const result: StepResult = {
      tokens: Int32Array.from(this.#tokens),
      tokenStart: Int32Array.from(this.#tokenStart),
      drafts: Int32Array.from(this.#drafts),
      draftStart: Int32Array.from(this.#draftStart),
    };
    if (batch.topLogprobs.some((best) => best > 0)) {
      result.logprobs = Float32Array.from(this.#logprobs);
      result.rivals = Int32Array.from(this.#rivals);
    }
    return result;
  }
}

/** Routes of the tokens whose rows ask for them, [tokens, MoE layers, topK]. */
class RouteRecord {
  readonly #routes: Uint8Array | Uint16Array | undefined;
  readonly #topK: number;
  /** Per layer its place among the MoE layers; per token of the batch its place in the record, or none. */
  readonly #ordinals: readonly number[];
  readonly #moeLayers: number;
  readonly #places: Int32Array;

  constructor(pass: Pass, batch: StepBatch) {
    const { sparse, topK, experts } = pass.model.config;
    let moeLayers = 0;
    this.#ordinals = sparse.map((isSparse) => (isSparse ? moeLayers++ : none));
    this.#moeLayers = moeLayers;
    this.#topK = topK;
    this.#places = new Int32Array(batch.tokens.length).fill(none);
    let places = 0;
    for (let row = 0; row < batch.windows.length; row++) {
      if (batch.wantRoutes[row] === 0) continue;
      for (let token = batch.rowStart[row]; token < batch.rowStart[row + 1]; token++) this.#places[token] = places++;
    }
    if (!batch.wantRoutes.some((wanted) => wanted !== 0)) this.#routes = undefined;
    else
      this.#routes =
        experts > 256 ? new Uint16Array(places * moeLayers * topK) : new Uint8Array(places * moeLayers * topK);
  }

  /** Routes of one layer for the tokens of a slice, the first of which is batch token `first`. */
  add(layer: number, first: number, { experts }: Routes): void {
    if (this.#routes === undefined) return;
    for (let token = 0; token * this.#topK < experts.length; token++) {
      const place = this.#places[first + token];
      if (place === none) continue;
      const at = (place * this.#moeLayers + this.#ordinals[layer]) * this.#topK;
      this.#routes.set(experts.subarray(token * this.#topK, (token + 1) * this.#topK), at);
    }
  }

  arrays(): Pick<StepResult, 'routes'> {
    return this.#routes === undefined ? {} : { routes: this.#routes };
  }
}
