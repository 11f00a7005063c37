// The shipped files are the pinned ones, small enough, and shaped as the README says.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { demoTools, files, modelDirectory } from '../src/index.ts';

test.each(files)('$name has the pinned size and hash', ({ name, bytes, sha256 }) => {
  const data = readFileSync(join(modelDirectory(), name));
  expect(data.length).toBe(bytes);
  expect(createHash('sha256').update(data).digest('hex')).toBe(sha256);
});

test('the weights stay under 4 MB', () => {
  expect(files.find(({ name }) => name === 'model.safetensors')!.bytes).toBeLessThan(4_000_000);
});

test('the config is a MiMo-V2-Flash config of the micro size', () => {
  const config = JSON.parse(readFileSync(join(modelDirectory(), 'config.json'), 'utf8')) as Record<string, unknown>;
  expect(config).toMatchObject({
    model_type: 'mimo_v2_flash',
    hidden_size: 128,
    hybrid_layer_pattern: [0, 1, 1, 1, 1, 0],
    vocab_size: 1024,
  });
});

test('the demonstration tools are the three of `mimokit chat`', () => {
  expect(demoTools.map(({ name }) => name)).toEqual(['clock', 'calculator', 'convert_units']);
});
