// Dynamic activation quantisation, layer by layer: end to end it is chaotic (one flipped tie moves everything after it), so
// each layer is fed the golden input and held against the golden output.
import { fixtureJson, fixturePath, readSafetensors } from '@mimokit/fixtures';
import { describe, expect, test } from 'vitest';
import { Checkpoint, openConfig } from '../src/checkpoint.ts';
import { runLayer } from '../src/forward.ts';
import { KvStore } from '../src/kv.ts';
import { filesInDirectory } from '../src/node.ts';
import { Pace } from '../src/pace.ts';
import { createSlice, Memory, type Pass } from '../src/pass.ts';
import { loadModel } from '../src/weights.ts';
import { expectWithin, type ForwardGolden, golden } from './goldens.ts';

async function openPass(model: string, positions: number): Promise<Pass> {
  const files = await filesInDirectory(fixturePath('models', model));
  const config = await openConfig(files);
  const weights = await loadModel(await Checkpoint.open(files), config, new Pace(), () => {});
  const capacity = { blockTokens: positions, blocks: 1, windows: 1 };
  const { windowKeys } = config;
  const kv = new KvStore({ config, heads: 0, windowKeys, format: 'f32', capacity });
  return { model: weights, kv, windowKeys, quantise: true, memory: new Memory(), pace: new Pace() };
}

for (const model of ['t1-fp8', 't2-fp8']) {
  const { prompts } = fixtureJson<ForwardGolden>('goldens', model, 'forward.json');
  describe(`${model}`, () => {
    for (const { name, ids, positions } of prompts.filter(({ ids, positions }) => ids.length === positions.length)) {
      test(`${name}: each layer, fed dyn.hidden.L-1, gives dyn.hidden.L`, async () => {
        const pass = await openPass(model, ids.length);
        const tensors = readSafetensors('goldens', model, `${name}.safetensors`);
        const part = { offset: 0, count: positions.length, start: 0, table: Int32Array.of(0), window: 0 };
        const slice = createSlice(pass.model, [part]);
        for (let layer = 0; layer < pass.model.config.layers; layer++) {
          const input = layer === 0 ? 'embed' : `dyn.hidden.${layer - 1}`;
          const x = Float32Array.from(golden(tensors, input).data);
          let experts: number[] = [];
          await runLayer(pass, layer, slice, x, (_, routes) => (experts = [...routes.experts]));
          const expected = golden(tensors, `dyn.hidden.${layer}`);
          expectWithin(`layer ${layer}`, x, expected.data, 1e-4);
          if (experts.length > 0) expect(experts).toEqual([...golden(tensors, `dyn.router.${layer}.ids`).data]);
        }
      });
    }
  });
}
