// Compiles every CUDA kernel for all targets and reads ptxas's report: no nvcc error, no warning, no spilled register, images within bounds. Uses the
// nvcc that a build would find; else, with `--fetch` or CI set, the pinned wheels of cuda-toolchain.mjs. Where none can be had it says `skipped` and
// passes. Nothing is run on a GPU.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { root } from './bootstrap.mjs';

function skip(why) {
  console.log(`skipped: ${why}`);
  process.exit(0);
}

/** Whether crates/mimokit_cuda/build.rs will find an nvcc; the same places in the same order. */
function hasNvcc() {
  const { MIMOKIT_NVCC, CUDA_HOME, CUDA_PATH, PATH = '' } = process.env;
  const homes = [CUDA_HOME, CUDA_PATH, join(root, '.cache', 'cuda', 'home')].filter(Boolean);
  const paths = [MIMOKIT_NVCC, ...homes.map((home) => join(home, 'bin', 'nvcc'))].filter(Boolean);
  return [...paths, ...PATH.split(delimiter).map((folder) => join(folder, 'nvcc'))].some((path) => existsSync(path));
}

const host = /^host: (\S+)$/m.exec(spawnSync('rustc', ['-vV'], { encoding: 'utf8' }).stdout ?? '')?.[1];
if (host === undefined) skip('Rust is not installed');
if (process.env.MIMOKIT_NVCC === 'none') skip('MIMOKIT_NVCC is none');
if (!hasNvcc()) {
  const mayFetch = process.argv.includes('--fetch') || Boolean(process.env.CI);
  if (!mayFetch) skip('no nvcc here: node scripts/cuda-toolchain.mjs, or this script with --fetch');
  const fetched = spawnSync(process.execPath, [join(root, 'scripts', 'cuda-toolchain.mjs')], {
    encoding: 'utf8',
    timeout: 300_000,
  });
  if (fetched.status !== 0) skip(`the pinned nvcc cannot be had here: ${lastLine(fetched.stderr)}`);
}

/** What a failing command said last. */
function lastLine(text) {
  return (text ?? '').trim().split('\n').at(-1) || 'no message';
}

const args = ['test', '--release', '--quiet', '--target', host, '-p', 'mimokit_cuda', '--features', 'require-nvcc'];
const { status } = spawnSync('cargo', args, { cwd: root, stdio: 'inherit' });
process.exit(status ?? 1);
