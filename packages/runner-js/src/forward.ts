// The forward pass: x = embed(ids); per layer x += o_proj(attention(norm x)), x += ffn(norm x). And the output head.
import { attnGlobal, attnWindow, oProj, qkvRope } from './attention.ts';
import { addInto, linear, rmsNorm } from './linear.ts';
import { denseFfn, moe, type Routes, router } from './moe.ts';
import type { Pass, Slice } from './pass.ts';

/** Called with the routes of each MoE layer, in layer order. */
export type OnRoutes = (layer: number, routes: Routes) => void;

/** Op embed: rows of the embedding, [ids, hidden]. */
export function embed(pass: Pass, ids: Int32Array, into: Float32Array): void {
  const { hiddenSize } = pass.model.config;
  ids.forEach((id, row) => {
    into.set(pass.model.embedding.subarray(id * hiddenSize, (id + 1) * hiddenSize), row * hiddenSize);
  });
}

/** One layer, in place on the residual stream x [count, hidden]; its keys and values go into the KV of the slice's parts. */
export async function runLayer(
  pass: Pass,
  index: number,
  slice: Slice,
  x: Float32Array,
  onRoutes?: OnRoutes,
): Promise<void> {
  const { layers, config } = pass.model;
  const { sliding, inputNorm, attention, postAttentionNorm, feedForward } = layers[index];
  const { count } = slice;
  const length = count * config.hiddenSize;
  const normed = pass.memory.take('normed', length);

  rmsNorm(x, count, inputNorm, config.epsilon, normed);
  const fresh = qkvRope(pass, attention, slice, sliding, normed);
  const attended = sliding
    ? attnWindow(pass, index, attention, slice, fresh)
    : attnGlobal(pass, index, attention, slice, fresh);
  addInto(x, oProj(pass, attention, attended, count), length);
  await pass.pace.rest();

  rmsNorm(x, count, postAttentionNorm, config.epsilon, normed);
  if ('experts' in feedForward) {
    const routes = router(pass, feedForward, normed, count);
    onRoutes?.(index, routes);
    addInto(x, moe(pass, feedForward, routes, normed, count), length);
  } else {
    addInto(x, denseFfn(pass, feedForward, normed, count), length);
  }
  await pass.pace.rest();
}

/** Multiply-adds of the output head between two looks at the clock. */
const headWork = 4_000_000;

/** Op lm_head: logits [rows, vocab] of residual rows x [rows, hidden] after `norm`. */
export async function lmHead(
  pass: Pass,
  norm: Float32Array,
  x: Float32Array,
  rows: number,
  logits: Float32Array,
): Promise<void> {
  const { config, head } = pass.model;
  const normed = pass.memory.take('normed', rows * config.hiddenSize);
  rmsNorm(x, rows, norm, config.epsilon, normed);
  const stride = Math.max(4, Math.floor(headWork / (rows * config.hiddenSize)));
  for (let from = 0; from < config.vocabSize; from += stride) {
    linear(head, normed, rows, logits, from, Math.min(config.vocabSize, from + stride));
    await pass.pace.rest();
  }
}
