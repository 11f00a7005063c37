// The MTP heads. Head i at position p joins the id t[p+1+i] with the main model's hidden row h[p] (before the final norm) and
// runs one sliding block; heads are not chained through each other. Ids that are not known yet are the drafts of the lower heads.
// Source: MiMo-V2-Flash report 2.3; which positions are written when: docs/step.md, point 4.
import { attnWindow, oProj, qkvRope } from './attention.ts';
import { embed, lmHead } from './forward.ts';
import { addInto, rmsNorm } from './linear.ts';
import { denseFfn } from './moe.ts';
import { createSlice, type Pass, project } from './pass.ts';
import { largestLogit } from './pick.ts';
import type { MtpHead } from './weights.ts';

/** Positions that go through a head together. */
export const headSlice = 8;

/** Op mtp_join: eh_proj([enorm(embedding), hnorm(hidden)]), [count, hidden]. */
function mtpJoin(pass: Pass, head: MtpHead, ids: Int32Array, hidden: Float32Array): Float32Array {
  const { hiddenSize, epsilon } = pass.model.config;
  const count = ids.length;
  const embedded = pass.memory.take('mtp.embedded', count * hiddenSize);
  embed(pass, ids, embedded);
  rmsNorm(embedded, count, head.embedNorm, epsilon, embedded);
  const normed = pass.memory.take('mtp.hidden', count * hiddenSize);
  rmsNorm(hidden, count, head.hiddenNorm, epsilon, normed);
  const both = pass.memory.take('mtp.both', count * 2 * hiddenSize);
  for (let row = 0; row < count; row++) {
    both.set(embedded.subarray(row * hiddenSize, (row + 1) * hiddenSize), 2 * row * hiddenSize);
    both.set(normed.subarray(row * hiddenSize, (row + 1) * hiddenSize), (2 * row + 1) * hiddenSize);
  }
  const joined = pass.memory.take('mtp.joined', count * hiddenSize);
  project(pass, head.join, both, count, joined);
  return joined;
}

/**
 * Runs head `index` at positions start.. over `ids` (already shifted) and `hidden` rows, and writes keys and values into the
 * window's ring. With `attend`, returns the block's output [count, hidden], before final_layernorm; else stops after writing.
 */
export function mtpBlock(
  pass: Pass,
  index: number,
  window: number,
  start: number,
  ids: Int32Array,
  hidden: Float32Array,
  attend: boolean,
): Float32Array {
  const { config, mtp } = pass.model;
  const head = mtp[index];
  const count = ids.length;
  const slice = createSlice(pass.model, [{ offset: 0, count, start, table: new Int32Array(), window }]);
  const x = mtpJoin(pass, head, ids, hidden);
  const normed = pass.memory.take('normed', count * config.hiddenSize);

  rmsNorm(x, count, head.inputNorm, config.epsilon, normed);
  const fresh = qkvRope(pass, head.attention, slice, true, normed, attend);
  const layer = config.layers + index;
  if (!attend) {
    pass.kv.writeWindow(layer, window, start, count, fresh.rows);
    return x;
  }
  const attended = attnWindow(pass, layer, head.attention, slice, fresh);
  addInto(x, oProj(pass, head.attention, attended, count), count * config.hiddenSize);
  rmsNorm(x, count, head.preMlpNorm, config.epsilon, normed);
  addInto(x, denseFfn(pass, head.feedForward, normed, count), count * config.hiddenSize);
  return x;
}

/** What the heads must know of a row after its pick. */
export interface HeadsInput {
  window: number;
  /** Positions committed before and after the step. */
  contextLen: number;
  committed: number;
  /** Ids of positions contextLen.. : committed ones, then the last emitted id if the row samples. */
  ids: Int32Array;
  samples: boolean;
  draftNext: number;
  /** Hidden rows of positions contextLen.. */
  hidden: Float32Array;
  pickableIds: number;
}

/** Brings the rings of all heads up to date and returns `draftNext` drafts; then keeps the last hidden rows in the window. */
export async function runHeads(pass: Pass, row: HeadsInput): Promise<number[]> {
  const { config, mtp } = pass.model;
  const { hiddenSize } = config;
  const { contextLen, committed, window } = row;
  const drafts: number[] = [];
  const idAt = (position: number): number => {
    const known = position - contextLen;
    return known < row.ids.length ? row.ids[known] : drafts[known - row.ids.length];
  };
  const hiddenAt = (position: number): Float32Array =>
    position < contextLen
      ? pass.kv.hiddenRow(window, position)
      : row.hidden.subarray((position - contextLen) * hiddenSize, (position - contextLen + 1) * hiddenSize);

  const run = (index: number, start: number, end: number, attend: boolean): Float32Array => {
    const hidden = pass.memory.take('mtp.rows', (end - start) * hiddenSize);
    for (let position = start; position < end; position++)
      hidden.set(hiddenAt(position), (position - start) * hiddenSize);
    const ids = Int32Array.from({ length: end - start }, (_, at) => idAt(start + at + 1 + index));
    return mtpBlock(pass, index, window, start, ids, hidden, attend);
  };

  for (let index = 0; index < mtp.length; index++) {
    const drafting = row.samples && index < row.draftNext;
    // Positions whose id p + 1 + index is known, or that will be once the lower heads have drafted.
    const end = drafting ? committed - 1 : committed - index - (row.samples ? 0 : 1);
    const first = Math.max(0, contextLen - 1 - index, end - pass.kv.ring);
    for (let start = first; start < end; start += headSlice) {
      run(index, start, Math.min(end, start + headSlice), false);
      await pass.pace.rest();
    }
    if (!drafting) continue;
    const out = run(index, committed - 1, committed, true);
    const logits = pass.memory.take('mtp.logits', config.vocabSize);
    await lmHead(pass, mtp[index].finalNorm, out, 1, logits);
    drafts.push(largestLogit(logits.subarray(0, row.pickableIds)));
  }
  for (let position = Math.max(contextLen, committed - mtp.length); position < committed; position++) {
    pass.kv.hiddenRow(window, position).set(hiddenAt(position));
  }
  return drafts;
}
