// Compiles the crates for aarch64, whose NEON code no x86 build sees. Uses the target's standard library where the installed compiler
// has it; else, with `--fetch` or CI set and apt-get at hand, Debian's compiler with that library, unpacked under .cache/aarch64 and
// installed nowhere. Where neither can be had it says `skipped` and passes. Nothing is run: that takes such a machine.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './bootstrap.mjs';

const target = 'aarch64-unknown-linux-gnu';
const crates = ['mimokit_checkpoint', 'mimokit_model', 'mimokit_cpu'];
const cache = join(root, '.cache', 'aarch64');
const run = (command, args, options = {}) =>
  spawnSync(command, args, { encoding: 'utf8', timeout: 300_000, ...options });

function skip(why) {
  console.log(`skipped: ${why}`);
  process.exit(0);
}

/** Whether the installed compiler has the target's standard library. */
function isInstalled() {
  const { status, stdout } = run('rustc', ['--print', 'target-libdir', '--target', target], { cwd: root });
  return status === 0 && existsSync(stdout.trim());
}

/** Debian's packages of one compiler: itself, what it links, the standard libraries of this machine and of the target. */
const packages = ['rustc-web', 'libstd-rust-web-dev', 'libstd-rust-web-dev:arm64'];

/** Unpacks a compiler with the target's library into `folder`; false when the packages cannot be had. */
function fetchCompiler(folder) {
  const state = join(cache, 'apt');
  for (const part of ['lists/partial', 'archives/partial', 'debs']) mkdirSync(join(state, part), { recursive: true });
  const options = [
    // A machine without a network is to hear so soon.
    'Acquire::http::Timeout=15',
    'Acquire::Retries=0',
    'APT::Architecture=amd64',
    'APT::Architectures=amd64,arm64',
    'APT::Architectures::=arm64',
    `Dir::State::lists=${join(state, 'lists')}`,
    `Dir::Cache=${state}`,
    `Dir::Cache::archives=${join(state, 'archives')}`,
  ].flatMap((option) => ['-o', option]);
  const debs = join(state, 'debs');
  if (run('apt-get', [...options, '-q', 'update']).status !== 0) return false;
  const { stdout } = run('apt-cache', [...options, 'show', '--no-all-versions', 'rustc-web', 'libstd-rust-web-dev']);
  // The driver and its code generator are named by version in what the two depend on.
  const driver = /libstd-rust-web-\d\S*/.exec(stdout)?.[0];
  if (driver === undefined) return false;
  const needs = run('apt-cache', [...options, 'show', '--no-all-versions', driver]).stdout;
  const llvm = /libllvm\d+/.exec(needs)?.[0];
  if (llvm === undefined) return false;
  if (run('apt-get', [...options, '-q', 'download', ...packages, driver, llvm], { cwd: debs }).status !== 0)
    return false;
  rmSync(`${folder}.new`, { recursive: true, force: true });
  for (const deb of readdirSync(debs))
    if (run('dpkg', ['-x', join(debs, deb), `${folder}.new`]).status !== 0) return false;
  renameSync(`${folder}.new`, folder);
  rmSync(state, { recursive: true });
  return true;
}

const env = { ...process.env, CARGO_TARGET_DIR: join(cache, 'target') };
if (run('cargo', ['--version']).status !== 0) skip('cargo is not installed');
if (!isInstalled()) {
  const folder = join(cache, 'compiler');
  const mayFetch = process.argv.includes('--fetch') || Boolean(process.env.CI);
  if (!existsSync(folder)) {
    if (!mayFetch) skip(`${target} is not installed: rustup target add ${target}, or this script with --fetch`);
    if (process.arch !== 'x64' || run('apt-get', ['--version']).status !== 0) skip('no apt-get for x86-64 here');
    if (!fetchCompiler(folder)) skip("Debian's compiler for it cannot be had here");
  }
  env.RUSTC = join(folder, 'usr', 'bin', 'rustc');
  env.LD_LIBRARY_PATH = [join(folder, 'usr', 'lib', 'x86_64-linux-gnu'), process.env.LD_LIBRARY_PATH]
    .filter(Boolean)
    .join(':');
}
const args = ['check', '--release', '--quiet', '--target', target, ...crates.flatMap((name) => ['-p', name])];
const { status } = spawnSync('cargo', args, { cwd: root, env, stdio: 'inherit' });
process.exit(status ?? 1);
