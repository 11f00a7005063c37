// Feed-forward blocks: the dense one, the router and the mixture of experts. No shared expert, no clamp.
//   dense: down(silu(gate x) * up x)
//   router: s = sigmoid(W x); chosen = topK of s + correction; weights = s / sum of chosen s (where the config normalises),
//   times routedScale
// Source: MiMo-V2-Flash report section 2; the router runs in FP32 and its bias never enters the weights.
import { linear } from './linear.ts';
import type { Pass } from './pass.ts';
import { project } from './pass.ts';
import type { FeedForward, Mixture } from './weights.ts';

/** Experts of each token, ascending, and what each contributes. */
export interface Routes {
  /** [count, topK] */
  experts: Int32Array;
  /** [count, topK], adding up to routedScale where the config normalises. */
  weights: Float32Array;
}

/** Op dense_ffn: normed x [count, hidden] to [count, hidden]. */
export function denseFfn(pass: Pass, { gate, up, down }: FeedForward, x: Float32Array, count: number): Float32Array {
  const length = count * gate.outputs;
  const gated = pass.memory.take('gated', length);
  const raised = pass.memory.take('raised', length);
  const out = pass.memory.take('fed', count * down.outputs);
  project(pass, gate, x, count, gated);
  project(pass, up, x, count, raised);
  for (let index = 0; index < length; index++)
    gated[index] = (gated[index] / (1 + Math.exp(-gated[index]))) * raised[index];
  project(pass, down, gated, count, out);
  return out;
}

/** Op router: which experts each token goes to. Ties go to the lower expert id. */
export function router(pass: Pass, mixture: Mixture, x: Float32Array, count: number): Routes {
  const { experts, topK, normalise, routedScale } = pass.model.config;
  const scores = pass.memory.take('scores', count * experts);
  linear(mixture.router, x, count, scores);
  const chosen = new Int32Array(count * topK);
  const weights = new Float32Array(count * topK);
  for (let token = 0; token < count; token++) {
    const score = scores.subarray(token * experts, (token + 1) * experts);
    for (let expert = 0; expert < experts; expert++) score[expert] = 1 / (1 + Math.exp(-score[expert]));
    const picked = chosen.subarray(token * topK, (token + 1) * topK);
    chooseLargest(score, mixture.correction, picked);
    let sum = normalise ? 0 : 1;
    if (normalise) for (const expert of picked) sum += score[expert];
    for (let index = 0; index < topK; index++)
      weights[token * topK + index] = (score[picked[index]] / sum) * routedScale;
  }
  return { experts: chosen, weights };
}

/** The ids of the picked.length largest score + correction, ascending. */
function chooseLargest(score: Float32Array, correction: Float32Array, picked: Int32Array): void {
  const taken = new Uint8Array(score.length);
  for (let rank = 0; rank < picked.length; rank++) {
    let best = -1;
    let bestChoice = 0;
    for (let expert = 0; expert < score.length; expert++) {
      const choice = score[expert] + correction[expert];
      if (taken[expert] === 0 && (best === -1 || choice > bestChoice)) {
        best = expert;
        bestChoice = choice;
      }
    }
    taken[best] = 1;
    picked[rank] = best;
  }
  picked.sort();
}

/** Op moe: the chosen experts' outputs, added in ascending order of expert id in f64 and rounded once. */
export function moe(pass: Pass, mixture: Mixture, routes: Routes, x: Float32Array, count: number): Float32Array {
  const { hiddenSize, topK } = pass.model.config;
  const sums = new Float64Array(count * hiddenSize);
  const inputs = pass.memory.take('routed', count * hiddenSize);
  for (let expert = 0; expert < mixture.experts.length; expert++) {
    // Tokens of this expert, gathered so that its weights are read once.
    const tokens: number[] = [];
    const shares: number[] = [];
    for (let slot = 0; slot < count * topK; slot++) {
      if (routes.experts[slot] !== expert) continue;
      const token = Math.floor(slot / topK);
      inputs.set(x.subarray(token * hiddenSize, (token + 1) * hiddenSize), tokens.length * hiddenSize);
      tokens.push(token);
      shares.push(routes.weights[slot]);
    }
    if (tokens.length === 0) continue;
    const out = denseFfn(pass, mixture.experts[expert], inputs, tokens.length);
    tokens.forEach((token, row) => {
      for (let index = 0; index < hiddenSize; index++)
        sums[token * hiddenSize + index] += shares[row] * out[row * hiddenSize + index];
    });
  }
  const mixed = pass.memory.take('mixed', count * hiddenSize);
  mixed.set(sums);
  return mixed;
}
