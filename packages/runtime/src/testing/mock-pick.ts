// The mock's choice of an id: the order of docs/step.md ("Picking"), written plainly, in f64.
import { randomAt } from '@mimokit/protocol';

export interface PickRow {
  /** temperature, topP, topK, minP, repetition, frequency, presence penalty. */
  sampling: ArrayLike<number>;
  seed: number;
  bias: ReadonlyMap<number, number>;
  /** Occurrences in the answer; 0: in the prompt only. */
  counts: ReadonlyMap<number, number>;
}

/** The id of `position` from the unmodified logits. */
export function pickId(logits: Float64Array, row: PickRow, position: number): number {
  const [temperature, topP, topK, minP, repetition, frequency, presence] = Array.from(row.sampling);
  const scores = Float64Array.from(logits);
  for (const [id, count] of row.counts) {
    scores[id] = scores[id] > 0 ? scores[id] / repetition : scores[id] * repetition;
    if (count > 0) scores[id] -= frequency * count + presence;
  }
  for (const [id, value] of row.bias) scores[id] += value;
  let ids = Array.from(scores.keys()).sort((a, b) => scores[b] - scores[a] || a - b);
  if (temperature === 0) return ids[0];

  if (topK > 0) ids = ids.slice(0, topK);
  const weights = ids.map((id) => Math.exp((scores[id] - scores[ids[0]]) / temperature));
  const total = sum(weights);
  let kept = 0;
  for (let reached = 0; kept < ids.length && (kept === 0 || reached < topP); kept++) reached += weights[kept] / total;
  while (kept > 1 && weights[kept - 1] < minP * weights[0]) kept--;
  const threshold = randomAt(row.seed, position) * sum(weights.slice(0, kept));
  let reached = 0;
  for (let index = 0; index < kept; index++) {
    reached += weights[index];
    if (reached > threshold) return ids[index];
  }
  return ids[kept - 1];
}

/** Natural log-softmax. */
export function logSoftmax(logits: Float64Array): Float64Array {
  const most = logits.reduce((a, b) => Math.max(a, b));
  const shift = most + Math.log(sum(Array.from(logits, (logit) => Math.exp(logit - most))));
  return logits.map((logit) => logit - shift);
}

function sum(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0);
}
