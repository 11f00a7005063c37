// Gives the rest of the repository one pinned pnpm and a new enough Node, with nothing but the Node and npm already here.
// No dependencies and no syntax past Node 20: this runs before anything is installed.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  cpSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));
const cache = join(root, '.cache', 'bootstrap');
const manifests = join(root, 'scripts', 'bootstrap');

/** The build tools ask for ^22.18, ^24.11 or >= 26. */
export function nodeIsNewEnough(version) {
  const [major, minor] = version.split('.').map(Number);
  return (major === 22 && minor >= 18) || (major === 24 && minor >= 11) || major >= 26;
}

/** sha256 over names and contents. */
export function hashOf(paths) {
  const hash = createHash('sha256');
  for (const path of paths) hash.update(path.slice(root.length)).update('\0').update(readFileSync(path)).update('\0');
  return hash.digest('hex');
}

/** Runs `work` unless the stamp of `name` already holds `key`. */
export function once(name, key, work) {
  const stamp = join(root, '.cache', `${name}.stamp`);
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === key) return false;
  rmSync(stamp, { force: true });
  work();
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, key);
  return true;
}

/** Ends the whole run with one line. */
export function fail(line) {
  console.error(line);
  process.exit(1);
}

/** Runs a command in the foreground; a failure ends the run with the command's name and its exit code. */
export function run(command, args, { cwd = root, env = process.env, stdio = 'inherit' } = {}) {
  const result = spawnSync(command, args, { cwd, env, stdio });
  if (result.error?.code === 'ENOENT') fail(`${command} was not found; install it or put it on PATH.`);
  if (result.error) throw result.error;
  if (result.status !== 0) {
    console.error(`\n${[command, ...args].join(' ')} failed (${result.signal ?? `exit ${result.status}`})`);
    process.exit(result.status ?? 1);
  }
}

function npm(args, cwd, stdio) {
  const cli = process.env.npm_execpath;
  if (cli?.endsWith('npm-cli.js')) return run(process.execPath, [cli, ...args], { cwd, stdio });
  return process.platform === 'win32'
    ? run('cmd', ['/c', 'npm', ...args], { cwd, stdio })
    : run('npm', args, { cwd, stdio });
}

/** Installs the pinned tools once and returns the environment in which everything else runs. */
export function bootstrap({ quiet = false } = {}) {
  const lock = join(manifests, 'package-lock.json');
  once('bootstrap', `${hashOf([lock])}|${process.platform}|${process.arch}`, () => {
    console.error('bootstrap: installing pinned pnpm and Node with npm …');
    rmSync(cache, { recursive: true, force: true });
    cpSync(manifests, cache, { recursive: true });
    npm(['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], cache, [
      'ignore',
      quiet ? 2 : 'inherit',
      2,
    ]);
    // turbo spawns `pnpm` straight from PATH. With --ignore-scripts the package's own bin stays a shebang-less placeholder,
    // which spawn refuses (ENOEXEC), so the native binary gets a folder of its own.
    const exe = process.platform === 'win32' ? 'pnpm.exe' : 'pnpm';
    const scope = join(cache, 'node_modules', '@pnpm');
    const native = readdirSync(scope)
      .map((folder) => join(scope, folder, exe))
      .find((path) => existsSync(path));
    if (!native)
      fail('bootstrap: no pnpm binary for this platform in scripts/bootstrap/package-lock.json; install pnpm 12.4.2.');
    mkdirSync(join(cache, 'bin'));
    try {
      linkSync(native, join(cache, 'bin', exe));
    } catch {
      copyFileSync(native, join(cache, 'bin', exe));
    }
  });

  const node = nodeIsNewEnough(process.versions.node) ? process.execPath : bundledNode();
  const env = { ...process.env };
  // npm's own settings for this run are not pnpm's business.
  for (const key of Object.keys(env)) {
    if (/^npm_(config|lifecycle|package|execpath|node_execpath|command)/i.test(key)) delete env[key];
  }
  const pathKey = Object.keys(env).find((key) => key.toUpperCase() === 'PATH') ?? 'PATH';
  env[pathKey] = [dirname(node), join(cache, 'bin'), env[pathKey]].join(delimiter);
  env.TURBO_TELEMETRY_DISABLED = '1';
  env.DO_NOT_TRACK = '1';
  return { env, node, pnpm: join(cache, 'bin', process.platform === 'win32' ? 'pnpm.exe' : 'pnpm') };
}

function bundledNode() {
  const os = process.platform === 'win32' ? 'win' : process.platform;
  const file = os === 'win' ? 'node.exe' : 'node';
  const path = join(cache, 'node_modules', `node-${os}-${process.arch}`, 'bin', file);
  if (!existsSync(path)) {
    fail(
      `bootstrap: Node ${process.versions.node} is too old for the build tools and none is bundled for this platform; install Node 24.`,
    );
  }
  return path;
}
