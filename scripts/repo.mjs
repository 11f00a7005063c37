// The repository's own commands: `npm start`, `npm test`, `npm run build | check | ready | format | mimokit`.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bootstrap, fail, hashOf, once, root, run } from './bootstrap.mjs';

const [task, ...rest] = process.argv.slice(2);
const quiet = task === 'mimokit';
const { env, node, pnpm } = bootstrap({ quiet });
// What a quiet command prints on the way to its own output belongs on stderr.
const stdio = quiet ? ['ignore', 2, 2] : 'inherit';
const pnpmRun = (...args) => run(pnpm, args, { env, stdio });
const turbo = (...args) => pnpmRun('exec', 'turbo', 'run', ...args);

install();
const native = nativeToolchain();
if (!native.host) env.MIMOKIT_WITHOUT_NATIVE = '1';

const tasks = {
  build,
  start() {
    build();
    if (!native.host)
      console.log(`${native.missing}\nGoing on with the TypeScript runner: the same results, slower.\n`);
    exec(node, [join(root, 'packages/cli/dist/main.js'), 'chat', ...rest]);
  },
  mimokit() {
    if (!existsSync(join(root, 'packages/cli/dist/main.js'))) build();
    exec(node, [join(root, 'packages/cli/dist/main.js'), ...rest]);
  },
  test() {
    build();
    if (!native.host) fail(native.missing);
    // Both languages run to their end, so that one red test does not hide the others.
    // One package at a time: each runs its files side by side already.
    const typescript = attempt(pnpm, [
      'exec',
      'turbo',
      'run',
      'test',
      '--output-logs=new-only',
      '--continue',
      '--concurrency=1',
    ]);
    const rust = cargoTest();
    if (!typescript || !rust)
      fail(`tests failed: ${[!typescript && 'TypeScript', !rust && 'Rust'].filter(Boolean).join(', ')}`);
  },
  check() {
    build();
    run(node, [join(root, 'scripts/check.mjs'), ...rest], { env });
  },
  ready() {
    tasks.check();
    tasks.test();
  },
  format() {
    pnpmRun('exec', 'oxfmt');
    run('cargo', ['fmt', '--all'], { env });
  },
};

if (!Object.hasOwn(tasks, task ?? '')) fail(`usage: node scripts/repo.mjs ${Object.keys(tasks).join(' | ')}`);
tasks[task]();

/** Frozen install, fixtures unpacked; nothing to do when no manifest changed. */
function install() {
  const manifests = [
    ...readdirSync(join(root, 'packages')).map((name) => join(root, 'packages', name, 'package.json')),
    join(root, 'examples', 'package.json'),
  ].filter((path) => existsSync(path));
  const inputs = ['package.json', 'pnpm-workspace.yaml', 'pnpm-lock.yaml'].map((name) => join(root, name));
  once('install', hashOf([...inputs, ...manifests]), () => {
    pnpmRun('install', '--frozen-lockfile', '--prefer-offline');
    run(node, [join(root, 'packages/fixtures/unpack.mjs')], { env, stdio });
  });
}

/** The Rust host triple, or one line that says what is missing and how to get it. */
function nativeToolchain() {
  const probe = (command, args) => spawnSync(command, args, { env, encoding: 'utf8' });
  const host = /^host: (\S+)$/m.exec(probe('rustc', ['-vV']).stdout ?? '')?.[1];
  if (!host || probe('cargo', ['--version']).status !== 0) {
    return { missing: 'cargo was not found: install Rust 1.89 or newer (rustup) to build the native runner.' };
  }
  if (process.platform === 'linux' && !['cc', 'gcc', 'clang'].some((name) => probe(name, ['--version']).status === 0)) {
    return {
      missing:
        'cc was not found: install a C linker (for example the package build-essential) to build the native runner.',
    };
  }
  return { host };
}

function build() {
  // What is not cached shows its own output as it goes: a cold build of the addon takes a minute or two.
  if (native.host) turbo('build', 'build:native', '--output-logs=new-only');
  else turbo('build', '--output-logs=new-only');
}

/** Hands standard input, output and the exit code through. */
function exec(command, args) {
  const result = spawnSync(command, args, { env, stdio: 'inherit' });
  process.exit(result.status ?? 1);
}

function attempt(command, args) {
  return spawnSync(command, args, { cwd: root, env, stdio: 'inherit' }).status === 0;
}

/** cargo test, shown and kept for the count. */
function cargoTest() {
  const args = ['test', '--workspace', '--release', '--no-fail-fast', '--target', native.host];
  const result = spawnSync('cargo', args, {
    cwd: root,
    env,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  console.log(result.stdout);
  writeFileSync(join(root, '.cache', 'cargo-test.log'), result.stdout ?? '');
  return result.status === 0;
}
