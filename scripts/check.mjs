// Everything CI checks beside the tests: format, lint, types, house rules, dead exports, packed packages.
// Each check is one line; a failing one prints its output. `node scripts/check.mjs lint packed` runs only those named.
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './bootstrap.mjs';

const host = /^host: (\S+)$/m.exec(spawnSync('rustc', ['-vV'], { encoding: 'utf8' }).stdout ?? '')?.[1];
const pnpmExec = (...args) => ['pnpm', ['exec', ...args]];
const script = (name) => [process.execPath, [join('scripts', name)]];

const checks = {
  format: pnpmExec('oxfmt', '--check'),
  lint: pnpmExec('oxlint', '--deny-warnings'),
  types: ['pnpm', ['exec', 'turbo', 'run', 'typecheck', '--output-logs=errors-only', '--continue']],
  'dead-exports': pnpmExec('knip', '--no-progress'),
  arrows: script('check-arrows.ts'),
  sizes: script('check-sizes.ts'),
  ops: script('check-ops.ts'),
  links: script('check-links.ts'),
  'error-codes': script('check-error-codes.ts'),
  performance: [process.execPath, ['--conditions=mimokit-source', 'packages/bench/src/performance/main.ts', '--check']],
  packed: script('check-packed.ts'),
  ...(host && {
    aarch64: script('check-aarch64.mjs'),
    cuda: script('check-cuda.mjs'),
    rustfmt: ['cargo', ['fmt', '--all', '--check']],
    clippy: [
      'cargo',
      ['clippy', '--workspace', '--all-targets', '--release', '--target', host, '--quiet', '--', '-D', 'warnings'],
    ],
  }),
};

const wanted = process.argv.slice(2);
const results = [];
for (const [name, [command, args]] of Object.entries(checks)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  const started = Date.now();
  const result = spawnSync(command, args, { cwd: root, encoding: 'utf8', maxBuffer: 1 << 28 });
  const passed = result.status === 0;
  console.log(`${passed ? 'ok    ' : 'FAILED'}  ${name.padEnd(14)} ${((Date.now() - started) / 1000).toFixed(1)} s`);
  const skipped = passed ? /^skipped: .*$/m.exec(result.stdout ?? '')?.[0] : undefined;
  if (skipped !== undefined) console.log(`        ${skipped}`);
  if (!passed) console.log(`${result.stdout ?? ''}${result.stderr ?? ''}${result.error ?? ''}`);
  results.push({ name, passed });
}
mkdirSync(join(root, '.cache'), { recursive: true });
writeFileSync(join(root, '.cache', 'check.json'), JSON.stringify(results));
process.exit(results.every(({ passed }) => passed) ? 0 : 1);
