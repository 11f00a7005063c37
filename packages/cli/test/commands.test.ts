// inspect, doctor, help, and how a wrong command line ends.
import { fixturePath } from '@mimokit/fixtures';
import type { CheckpointInfo } from '@mimokit/protocol';
import { expect, test } from 'vitest';
import { runCli } from './run-cli.ts';

test('inspect tells config, tensors, KV bytes and what fits, from the headers', async () => {
  const { code, stdout } = await runCli(['inspect', fixturePath('models', 't2-fp8'), '--json']);
  expect(code).toBe(0);
  const info = JSON.parse(stdout) as CheckpointInfo & { kv: { tokenBytes: { f32: number } }; fits: unknown[] };
  expect(info.config.layerKinds).toEqual([
    ['global', 'dense'],
    ['sliding', 'moe'],
    ['global', 'dense'],
  ]);
  expect(info.config.mtpHeads).toBe(0);
  // Two global layers with two KV heads of 192 + 128.
  expect(info.kv.tokenBytes.f32).toBe(2 * 2 * (192 + 128) * 4);
  expect(info.tensors.find(({ name }) => name === 'model.layers.0.self_attn.k_proj.weight')?.shape).toEqual([384, 256]);
  expect(info.fits.length).toBeGreaterThan(0);
});

test('inspect for people lists every tensor when asked', async () => {
  const { code, stdout } = await runCli(['inspect', fixturePath('models', 't1-fp8'), '--tensors']);
  expect(code).toBe(0);
  expect(stdout).toContain('model.mtp.layers.2.eh_proj.weight');
  expect(stdout).toMatch(/MTP\s+3 heads/);
});

test('doctor checks node, machine, runner, GPU, weights and an answer', async () => {
  const { stdout } = await runCli(['doctor', '--json']);
  const { findings } = JSON.parse(stdout) as { findings: { what: string; ok: boolean }[] };
  expect(findings.map(({ what }) => what)).toEqual([
    'node',
    'machine',
    'native runner',
    'gpu',
    'embedded model',
    'answer',
  ]);
  expect(findings.filter(({ what }) => what !== 'native runner').every(({ ok }) => ok)).toBe(true);
});

test.each([
  [['frobnicate'], 2],
  [['logits', '--runner', 'abacus'], 2],
  [['generate', '--batch', 'many'], 2],
  [[], 2],
  [['--help'], 0],
  [['generate', '--help'], 0],
])('mimokit %j ends with exit code %d', async (args, expected) => {
  const { code, stdout, stderr } = await runCli(args);
  expect(code).toBe(expected);
  expect(stdout + stderr).not.toContain('    at ');
});
