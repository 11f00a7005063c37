// Puts a pinned nvcc into .cache/cuda/home, for machines that compile the CUDA kernels and have no toolkit: about 105 MB of wheels, by
// hash. Never run by an install or a build; without a toolkit the kernels are left out of the build.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, symlinkSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { fail, hashOf, once, root, run } from './bootstrap.mjs';

if (process.platform !== 'linux' || process.arch !== 'x64') {
  fail('cuda-toolchain: the pinned wheels are for Linux x86-64; install the CUDA 13.0 toolkit and set CUDA_HOME.');
}
const requirements = join(root, 'scripts', 'cuda', 'requirements.txt');
const cache = join(root, '.cache', 'cuda');
const nvcc = join(cache, 'home', 'bin', 'nvcc');
const installed = once('cuda-toolchain', hashOf([requirements]), () => {
  rmSync(cache, { recursive: true, force: true });
  mkdirSync(cache, { recursive: true });
  // A machine without a network is to hear so soon.
  const flags = ['--quiet', '--retries=0', '--timeout=15', '--no-deps', '--no-compile', '--only-binary=:all:'];
  run('python3', [
    '-m',
    'pip',
    'install',
    ...flags,
    '--require-hashes',
    '--target',
    join(cache, 'site'),
    '-r',
    requirements,
  ]);
  symlinkSync(join('site', 'nvidia', 'cu13'), join(cache, 'home'));
});
if (!existsSync(nvcc)) fail(`cuda-toolchain: ${nvcc} is missing; remove .cache/cuda-toolchain.stamp and try again.`);
// The build script of mimokit_cuda looks for the stamp only where there is one: it has to run once more.
if (installed) utimesSync(join(root, 'crates', 'mimokit_cuda', 'build.rs'), new Date(), new Date());
console.log(spawnSync(nvcc, ['--version'], { encoding: 'utf8' }).stdout.trim().split('\n').at(-1));
