// Checkpoint and machine reports; the Rust side's JSON against the protocol's type and against the TypeScript reader.
import { fixturePath } from '@mimokit/fixtures';
import { checkpointInfo, machineReport } from '@mimokit/kernels';
import { checkpointInfo as readInTypeScript } from '@mimokit/runner-js/node';
import { expect, test } from 'vitest';
import { models } from './goldens.ts';

for (const model of models) {
  test(`${model}: the headers read in Rust and in TypeScript say the same`, async () => {
    const directory = fixturePath('models', model);
    expect(await checkpointInfo(directory)).toEqual(await readInTypeScript(directory));
  });
}

test('sizes add up', async () => {
  const { bytes, totalBytes, tensors } = await checkpointInfo(fixturePath('models', 't1-fp8'));
  const sum = (sizes: number[]): number => sizes.reduce((total, size) => total + size, 0);
  expect(sum(Object.values(bytes))).toBe(totalBytes);
  expect(sum(tensors.map((tensor) => tensor.bytes))).toBe(totalBytes);
});

test('the machine report is about this machine', () => {
  const report = machineReport();
  expect(report.levels).toContain(report.level);
  expect(report.levels).toContain('scalar');
  expect(report.threads).toBeGreaterThanOrEqual(1);
  expect(report.memoryLimitBytes).toBeLessThanOrEqual(report.totalMemoryBytes);
});
