// Rows → StepBatch: packs, decides nothing. Plain loops over arrays made once: this runs before every step.
import { none, type StepBatch } from '@mimokit/protocol';
import { heldBy, type KvManager } from './kv/kv-manager.ts';
import { blocksFor } from './kv/geometry.ts';
import type { PlacedRow } from './placement.ts';

/** The flat arrays of one step. Every row has its blocks reserved up to `row.end`. */
export function buildBatch(rows: readonly PlacedRow[], kv: KvManager): StepBatch {
  const { blockTokens } = kv.capacity;
  let tokens = 0;
  let blocks = 0;
  for (const { start, end } of rows) {
    tokens += end - start;
    blocks += blocksFor(end, blockTokens);
  }
  const batch = emptyBatch(rows.length, tokens, blocks);
  for (let index = 0; index < rows.length; index++) packRow(batch, index, rows[index], kv);
  packSparse(batch, rows);
  return batch;
}

function emptyBatch(rows: number, tokens: number, blocks: number): StepBatch {
  return {
    tokens: new Int32Array(tokens),
    rowStart: new Int32Array(rows + 1),
    contextLen: new Int32Array(rows),
    draftLen: new Int32Array(rows),
    samples: new Uint8Array(rows),
    draftNext: new Int32Array(rows),
    blockTable: new Int32Array(blocks),
    blockStart: new Int32Array(rows + 1),
    windows: new Int32Array(rows),
    copyWindow: new Int32Array(rows),
    saveWindow: new Int32Array(rows),
    copyBlock: new Int32Array(rows * 2),
    sampling: new Float32Array(rows * 7),
    seeds: new Uint32Array(rows),
    topLogprobs: new Uint8Array(rows),
    wantRoutes: new Uint8Array(rows),
    biasStart: new Int32Array(rows + 1),
    biasIds: noIds,
    biasValues: noValues,
    countStart: new Int32Array(rows + 1),
    countIds: noIds,
    countValues: noIds,
  };
}

const noIds = new Int32Array(0);
const noValues = new Float32Array(0);

function packRow(batch: StepBatch, index: number, row: PlacedRow, kv: KvManager): void {
  const { sequence, start, end } = row;
  const { request, tokens, drafts } = sequence;
  let at = batch.rowStart[index];
  const known = Math.min(end, tokens.length);
  for (let position = start; position < known; position++) batch.tokens[at++] = tokens[position];
  for (let draft = 0; draft < end - known; draft++) batch.tokens[at++] = drafts[draft];
  batch.rowStart[index + 1] = at;
  batch.contextLen[index] = start;
  batch.draftLen[index] = row.draftLen;
  batch.samples[index] = row.samples ? 1 : 0;
  batch.draftNext[index] = row.draftNext;

  const { blocks, window } = heldBy(sequence);
  const used = blocksFor(end, kv.capacity.blockTokens);
  const first = batch.blockStart[index];
  for (let block = 0; block < used; block++) batch.blockTable[first + block] = blocks[block];
  batch.blockStart[index + 1] = first + used;

  const [copyWindow, source, target] = kv.copies(sequence);
  // Where windows hold nothing, each row gets one of its own, whatever the names are here.
  batch.windows[index] = kv.hasWindows ? window : index;
  batch.copyWindow[index] = copyWindow;
  batch.saveWindow[index] = kv.hasWindows ? row.saveWindow : none;
  batch.copyBlock[index * 2] = source;
  batch.copyBlock[index * 2 + 1] = target;

  batch.sampling.set(request.sampling, index * 7);
  batch.seeds[index] = request.seed;
  batch.topLogprobs[index] = request.topLogprobs;
  batch.wantRoutes[index] = request.wantRoutes ? 1 : 0;
}

/** Bias and counts of the rows whose logits are looked at. */
function packSparse(batch: StepBatch, rows: readonly PlacedRow[]): void {
  const { biasStart, countStart } = batch;
  for (let index = 0; index < rows.length; index++) {
    const { samples, sequence } = rows[index];
    biasStart[index + 1] = biasStart[index] + (samples ? sequence.bias.ids.length : 0);
    countStart[index + 1] = countStart[index] + (samples ? (sequence.counts?.ids.length ?? 0) : 0);
  }
  const biases = biasStart[rows.length];
  const counts = countStart[rows.length];
  if (biases > 0) {
    batch.biasIds = new Int32Array(biases);
    batch.biasValues = new Float32Array(biases);
  }
  if (counts > 0) {
    batch.countIds = new Int32Array(counts);
    batch.countValues = new Int32Array(counts);
  }
  if (biases + counts === 0) return;
  for (let index = 0; index < rows.length; index++) {
    const { samples, sequence } = rows[index];
    if (!samples) continue;
    batch.biasIds.set(sequence.bias.ids, biasStart[index]);
    batch.biasValues.set(sequence.bias.values, biasStart[index]);
    if (sequence.counts === undefined) continue;
    batch.countIds.set(sequence.counts.ids, countStart[index]);
    batch.countValues.set(sequence.counts.values, countStart[index]);
  }
}
