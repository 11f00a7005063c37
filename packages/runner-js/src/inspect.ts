// Inspector: one prompt through the model with KV of its own, and the named insides of the pass as tensors.
import { type Inspector, MimoError, type Tensor } from '@mimokit/protocol';
import { embed, lmHead, runLayer } from './forward.ts';
import { headSlice, mtpBlock } from './mtp.ts';
import { createSlice, type Pass } from './pass.ts';
import { largestLogit } from './pick.ts';

const sliceTokens = 8;

/** Runs `ids` and returns what `taps` name; see `Inspector` for the names. `pass.kv` must hold them in blocks 0.. and window 0. */
export async function runInspect(
  pass: Pass,
  ids: Int32Array,
  taps: readonly string[],
): ReturnType<Inspector['inspect']> {
  const { config, layers, mtp } = pass.model;
  const { hiddenSize, vocabSize } = config;
  const wanted = new Set(taps);
  const found: Record<string, Tensor> = {};
  const known = knownTaps(pass);
  for (const tap of taps) {
    if (!known.has(tap))
      throw new MimoError('invalid-argument', `There is no tap ${tap}.`, {
        tap,
        hint: `Taps of this model: ${[...known].slice(0, 8).join(', ')} ...`,
      });
  }
  const floats = (tap: string, shape: number[]): Float32Array => {
    const data = new Float32Array(shape.reduce((product, extent) => product * extent, 1));
    if (wanted.has(tap)) found[tap] = { shape, data };
    return data;
  };

  const count = ids.length;
  const hidden = new Float32Array(count * hiddenSize);
  const table = Int32Array.from(
    { length: Math.ceil(count / pass.kv.layout.capacity.blockTokens) },
    (_, block) => block,
  );
  const afterLayer = new Map<number, Float32Array>();
  for (let layer = 0; layer < layers.length; layer++) {
    if (wanted.has(`hidden.${layer}`)) afterLayer.set(layer, floats(`hidden.${layer}`, [count, hiddenSize]));
  }
  // Per layer its place among the MoE layers.
  const ordinals = config.sparse.map((_, layer) => config.sparse.slice(0, layer).filter(Boolean).length);
  const moeLayers = config.sparse.filter(Boolean).length;
  const allRoutes: Tensor | undefined = wanted.has('routes')
    ? { shape: [count, moeLayers, config.topK], data: new Int32Array(count * moeLayers * config.topK) }
    : undefined;
  if (allRoutes !== undefined) found.routes = allRoutes;
  const embedded = wanted.has('embed') ? floats('embed', [count, hiddenSize]) : undefined;
  for (let first = 0; first < count; first += sliceTokens) {
    const end = Math.min(count, first + sliceTokens);
    const x = hidden.subarray(first * hiddenSize, end * hiddenSize);
    const slice = createSlice(pass.model, [{ offset: 0, count: end - first, start: first, table, window: 0 }]);
    embed(pass, ids.subarray(first, end), x);
    embedded?.set(x, first * hiddenSize);
    for (let layer = 0; layer < layers.length; layer++) {
      await runLayer(pass, layer, slice, x, (layer, { experts, weights }) => {
        if (allRoutes !== undefined) copyRoutes(experts, config.topK, allRoutes, first, ordinals[layer]);
        if (wanted.has(`router.${layer}.ids`)) {
          const tensor = (found[`router.${layer}.ids`] ??= {
            shape: [count, config.topK],
            data: new Int32Array(count * config.topK),
          });
          tensor.data.set(experts, first * config.topK);
        }
        if (wanted.has(`router.${layer}.weights`)) {
          const tensor = (found[`router.${layer}.weights`] ??= {
            shape: [count, config.topK],
            data: new Float32Array(count * config.topK),
          });
          tensor.data.set(weights, first * config.topK);
        }
      });
      afterLayer.get(layer)?.set(x, first * hiddenSize);
    }
  }

  if (wanted.has('logits') || wanted.has('argmax')) {
    const all = wanted.has('logits') ? floats('logits', [count, vocabSize]) : undefined;
    const argmax = new Int32Array(count);
    if (wanted.has('argmax')) found.argmax = { shape: [count], data: argmax };
    const logits = new Float32Array(sliceTokens * vocabSize);
    for (let first = 0; first < count; first += sliceTokens) {
      const rows = Math.min(sliceTokens, count - first);
      await lmHead(pass, pass.model.finalNorm, hidden.subarray(first * hiddenSize), rows, logits);
      all?.set(logits.subarray(0, rows * vocabSize), first * vocabSize);
      for (let row = 0; row < rows; row++)
        argmax[first + row] = largestLogit(logits.subarray(row * vocabSize, (row + 1) * vocabSize));
    }
  }
  if (wanted.has('logits.last')) {
    await lmHead(
      pass,
      pass.model.finalNorm,
      hidden.subarray((count - 1) * hiddenSize),
      1,
      floats('logits.last', [1, vocabSize]),
    );
  }

  for (let index = 0; index < mtp.length; index++) {
    if (!wanted.has(`mtp.${index}.logits`) && !wanted.has(`mtp.${index}.block_out`)) continue;
    const positions = Math.max(0, count - 1 - index);
    const blockOut = floats(`mtp.${index}.block_out`, [positions, hiddenSize]);
    const logits = floats(`mtp.${index}.logits`, [positions, vocabSize]);
    for (let start = 0; start < positions; start += headSlice) {
      const end = Math.min(positions, start + headSlice);
      const shifted = ids.subarray(start + 1 + index, end + 1 + index);
      const out = mtpBlock(pass, index, 0, start, shifted, hidden.subarray(start * hiddenSize, end * hiddenSize), true);
      blockOut.set(out.subarray(0, (end - start) * hiddenSize), start * hiddenSize);
      await lmHead(pass, mtp[index].finalNorm, out, end - start, logits.subarray(start * vocabSize, end * vocabSize));
    }
  }
  return found;
}

/** The experts [tokens, topK] of one layer into routes [n, moeLayers, topK], the first token being row `first`. */
function copyRoutes(experts: Int32Array, topK: number, routes: Tensor, first: number, ordinal: number): void {
  const moeLayers = routes.shape[1];
  for (let at = 0; at < experts.length; at += topK) {
    routes.data.set(experts.subarray(at, at + topK), ((first + at / topK) * moeLayers + ordinal) * topK);
  }
}

function knownTaps({ model }: Pass): Set<string> {
  const { config, mtp } = model;
  const taps = ['logits', 'logits.last', 'argmax', 'routes', 'embed'];
  config.sparse.forEach((isSparse, layer) => {
    taps.push(`hidden.${layer}`);
    if (isSparse) taps.push(`router.${layer}.ids`, `router.${layer}.weights`);
  });
  mtp.forEach((_, index) => taps.push(`mtp.${index}.logits`, `mtp.${index}.block_out`));
  return new Set(taps);
}
