import { fixturePath } from '@mimokit/fixtures';
import { expect, test } from 'vitest';
import { checkpointInfo } from '../src/node.ts';

test('the headers alone tell layers, heads, tensors and bytes by part', async () => {
  const { config, bytes, tensors, totalBytes } = await checkpointInfo(fixturePath('models', 't1-fp8'));
  expect(config.layerKinds).toEqual([
    ['global', 'dense'],
    ['sliding', 'moe'],
    ['sliding', 'dense'],
    ['global', 'moe'],
  ]);
  expect(config.global).toMatchObject({
    layers: 2,
    heads: 8,
    kvHeads: 1,
    qkDim: 48,
    vDim: 32,
    rotaryDim: 16,
    windowKeys: null,
  });
  expect(config.sliding).toMatchObject({ layers: 2, kvHeads: 2, windowKeys: 8, sinks: true });
  expect(config.moe).toEqual({ layers: 2, experts: 8, topK: 2, width: 128 });
  expect(config.mtpHeads).toBe(3);
  expect(bytes.foreign).toBe(0);
  expect(Object.values(bytes).reduce((sum, part) => sum + part, 0)).toBe(totalBytes);
  expect(tensors.reduce((sum, tensor) => sum + tensor.bytes, 0)).toBe(totalBytes);
});
