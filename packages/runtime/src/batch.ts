// Rows → StepBatch: packs, decides nothing.
import type { StepBatch } from '@mimokit/protocol';
import { hasPenalties } from './sampling.ts';
import { heldBy, type KvManager } from './kv/kv-manager.ts';
import { blocksFor } from './kv/geometry.ts';
import type { PlacedRow } from './placement.ts';

/** The flat arrays of one step. Every row has its blocks reserved up to `row.end`. */
export function buildBatch(rows: readonly PlacedRow[], kv: KvManager): StepBatch {
  const count = rows.length;
  const batch: StepBatch = {
    tokens: new Int32Array(rows.reduce((sum, row) => sum + row.end - row.start, 0)),
    rowStart: new Int32Array(count + 1),
    contextLen: Int32Array.from(rows, (row) => row.start),
    draftLen: Int32Array.from(rows, (row) => row.draftLen),
    samples: Uint8Array.from(rows, (row) => (row.samples ? 1 : 0)),
    draftNext: Int32Array.from(rows, (row) => row.draftNext),
    blockTable: new Int32Array(rows.reduce((sum, row) => sum + blocksFor(row.end, kv.capacity.blockTokens), 0)),
    blockStart: new Int32Array(count + 1),
    windows: Int32Array.from(rows, (row) => heldBy(row.sequence).window),
    copyWindow: new Int32Array(count),
    saveWindow: Int32Array.from(rows, (row) => row.saveWindow),
    copyBlock: new Int32Array(count * 2),
    sampling: new Float32Array(count * 7),
    seeds: Uint32Array.from(rows, (row) => row.sequence.request.seed),
    topLogprobs: Uint8Array.from(rows, (row) => row.sequence.request.topLogprobs),
    wantRoutes: Uint8Array.from(rows, (row) => (row.sequence.request.wantRoutes ? 1 : 0)),
    ...sparse(rows),
  };
  rows.forEach(({ sequence, start, end }, index) => {
    const known = sequence.tokens.length;
    let at = batch.rowStart[index];
    for (let position = start; position < end; position++) {
      batch.tokens[at++] = position < known ? sequence.tokens[position] : sequence.drafts[position - known];
    }
    batch.rowStart[index + 1] = at;

    const { blocks } = heldBy(sequence);
    const used = blocksFor(end, kv.capacity.blockTokens);
    for (let block = 0; block < used; block++) batch.blockTable[batch.blockStart[index] + block] = blocks[block];
    batch.blockStart[index + 1] = batch.blockStart[index] + used;

    const [window, source, target] = kv.copies(sequence);
    batch.copyWindow[index] = window;
    batch.copyBlock[index * 2] = source;
    batch.copyBlock[index * 2 + 1] = target;
    batch.sampling.set(sequence.request.sampling, index * 7);
  });
  return batch;
}

type SparsePart = Pick<StepBatch, 'biasStart' | 'biasIds' | 'biasValues' | 'countStart' | 'countIds' | 'countValues'>;

/** Bias and counts, only of rows whose logits are looked at. */
function sparse(rows: readonly PlacedRow[]): SparsePart {
  const biasStart = new Int32Array(rows.length + 1);
  const countStart = new Int32Array(rows.length + 1);
  rows.forEach(({ sequence, samples }, index) => {
    const { request, counts, bias } = sequence;
    const isCounting = samples && counts !== undefined && hasPenalties(request.sampling);
    biasStart[index + 1] = biasStart[index] + (samples ? bias.ids.length : 0);
    countStart[index + 1] = countStart[index] + (isCounting ? counts.ids.length : 0);
  });
  const biasIds = new Int32Array(biasStart[rows.length]);
  const biasValues = new Float32Array(biasStart[rows.length]);
  const countIds = new Int32Array(countStart[rows.length]);
  const countValues = new Int32Array(countStart[rows.length]);
  rows.forEach(({ sequence }, index) => {
    const { bias, counts } = sequence;
    if (biasStart[index + 1] > biasStart[index]) {
      biasIds.set(bias.ids, biasStart[index]);
      biasValues.set(bias.values, biasStart[index]);
    }
    if (counts !== undefined && countStart[index + 1] > countStart[index]) {
      countIds.set(counts.ids, countStart[index]);
      countValues.set(counts.values, countStart[index]);
    }
  });
  return { biasStart, biasIds, biasValues, countStart, countIds, countValues };
}
