// From logits to ids: penalties, sampling, verification of drafts, log-probabilities. Order and ties: docs/step.md, "Picking".
import { MimoError, randomAt } from '@mimokit/protocol';

export interface PickRules {
  temperature: number;
  topP: number;
  topK: number;
  minP: number;
  repetitionPenalty: number;
  frequencyPenalty: number;
  presencePenalty: number;
  seed: number;
  /** How often each id seen so far occurs in the answer; 0 = in the prompt only. Emitted ids are counted on. */
  counts: Map<number, number>;
  bias: ReadonlyMap<number, number>;
  /** Ids from here on are never picked. */
  pickableIds: number;
}

/** The id of the largest logit, the lowest one on a tie. Throws `runner-failed` when no logit is a number. */
export function largestLogit(logits: Float32Array): number {
  let best = -1;
  let largest = Number.NEGATIVE_INFINITY;
  for (let id = 0; id < logits.length; id++) {
    if (logits[id] > largest) {
      largest = logits[id];
      best = id;
    }
  }
  if (best === -1) {
    throw new MimoError('runner-failed', 'The model gave no finite logit.', {
      hint: 'The weights hold NaN or overflow; check the checkpoint.',
    });
  }
  return best;
}

/**
 * Op pick: ids of the positions that `rows` of logits [rows, vocab] predict, the first at `position`. `drafts` are the ids that
 * were fed at all but the last of them: while a drawn id equals its draft, the next row is drawn too. Returns what is emitted.
 */
export function pick(
  logits: Float32Array,
  vocabSize: number,
  position: number,
  drafts: Int32Array,
  rules: PickRules,
): number[] {
  const emitted: number[] = [];
  for (let row = 0; row <= drafts.length; row++) {
    const id = pickOne(logits.subarray(row * vocabSize, row * vocabSize + rules.pickableIds), position + row, rules);
    emitted.push(id);
    rules.counts.set(id, (rules.counts.get(id) ?? 0) + 1);
    if (id !== drafts[row]) break;
  }
  return emitted;
}

function pickOne(logits: Float32Array, position: number, rules: PickRules): number {
  const adjusted = adjust(logits, rules);
  return rules.temperature === 0 ? largestLogit(adjusted) : draw(adjusted, randomAt(rules.seed, position), rules);
}

function adjust(
  logits: Float32Array,
  { repetitionPenalty, frequencyPenalty, presencePenalty, counts, bias }: PickRules,
): Float32Array {
  const penalised = repetitionPenalty !== 1 || frequencyPenalty !== 0 || presencePenalty !== 0;
  if (!penalised && bias.size === 0) return logits;
  const adjusted = logits.slice();
  if (penalised) {
    for (const [id, count] of counts) {
      if (id >= adjusted.length) continue;
      const logit = logits[id] > 0 ? logits[id] / repetitionPenalty : logits[id] * repetitionPenalty;
      adjusted[id] = logit - count * frequencyPenalty - (count > 0 ? presencePenalty : 0);
    }
  }
  for (const [id, value] of bias) if (id < adjusted.length) adjusted[id] += value;
  return adjusted;
}

/** Temperature, topK, topP and minP over logits sorted from the largest; then the id at `random` of the cumulated probability. */
function draw(logits: Float32Array, random: number, { temperature, topK, topP, minP }: PickRules): number {
  largestLogit(logits);
  const ids = sortDescending(logits);
  const kept = topK === 0 ? ids.length : Math.min(topK, ids.length);
  const probabilities = new Float64Array(kept);
  let total = 0;
  for (let rank = 0; rank < kept; rank++) {
    probabilities[rank] = Math.exp((logits[ids[rank]] - logits[ids[0]]) / temperature);
    total += probabilities[rank];
  }
  let count = 0;
  let sum = 0;
  // With topP 1 everything stays, however the sum rounds; the first stays always.
  const enough = topP >= 1 ? Number.POSITIVE_INFINITY : topP;
  do sum += probabilities[count++] / total;
  while (count < kept && sum < enough);
  while (count > 1 && probabilities[count - 1] < minP * probabilities[0]) count--;

  let left = 0;
  for (let rank = 0; rank < count; rank++) left += probabilities[rank];
  let cumulated = 0;
  for (let rank = 0; rank < count; rank++) {
    cumulated += probabilities[rank];
    if (cumulated / left > random) return ids[rank];
  }
  return ids[count - 1];
}

/** Ids by logit descending, lower ids first on a tie: the sort key is a logit's bits in descending order, then the id. */
function sortDescending(logits: Float32Array): Uint32Array {
  const bits = new Int32Array(logits.slice().buffer);
  const keys = new Float64Array(logits.length);
  for (let id = 0; id < logits.length; id++) {
    // Bits of floats sort as integers once the magnitude of negative ones is inverted; -0 sorts as 0, NaN as the least.
    const ordered = logits[id] === 0 ? 0 : bits[id] < 0 ? bits[id] ^ 0x7fffffff : bits[id];
    keys[id] = (2147483647 - (Number.isNaN(logits[id]) ? -2147483648 : ordered)) * idRange + id;
  }
  keys.sort();
  return Uint32Array.from(keys, (key) => key % idRange);
}

// config.ts allows up to 2^21 ids; with 32 bits of logit a key stays an exact integer in f64.
const idRange = 2 ** 21;

/** Natural log-softmax of one row of unmodified logits: of `chosen`, then of the `best` largest with their ids. */
export function logProbabilities(
  logits: Float32Array,
  chosen: number,
  best: number,
): { logprobs: number[]; rivals: number[] } {
  const largest = logits[largestLogit(logits)];
  let sum = 0;
  for (let id = 0; id < logits.length; id++) sum += Math.exp(logits[id] - largest);
  const logSum = largest + Math.log(sum);
  const rivals: number[] = [];
  for (let id = 0; id < logits.length; id++) {
    if (rivals.length === best && !(logits[id] > logits[rivals[best - 1]])) continue;
    let rank = rivals.length;
    while (rank > 0 && logits[id] > logits[rivals[rank - 1]]) rank--;
    rivals.splice(rank, 0, id);
    if (rivals.length > best) rivals.pop();
  }
  return { logprobs: [chosen, ...rivals].map((id) => logits[id] - logSum), rivals };
}
