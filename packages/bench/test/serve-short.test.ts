// The short form of the server's bench: load beyond saturation, clients that leave, an engine that is killed.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

test.skipIf(process.env['MIMOKIT_WITHOUT_NATIVE'] === '1')(
  'serve --short misses nothing',
  () => {
    const bench = fileURLToPath(new URL('../src/serve.bench.ts', import.meta.url));
    const args = ['--conditions=mimokit-source', bench, '--short'];
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    // Standard error also has the server's log of the engines that were killed.
    expect([status, stderr.split('\n').filter((line) => line.startsWith('missed'))]).toEqual([0, []]);
    expect(stdout).toContain('silent cuts: 0 of');
  },
  300_000,
);
