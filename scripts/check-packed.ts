// Packs every public package, checks the tarball with publint and are-the-types-wrong, installs it into an empty folder with
// install scripts off, and runs the README's example there. `node scripts/check-packed.ts tokenizer` does one package.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from './tree.ts';

interface Manifest {
  name: string;
  private?: boolean;
  dependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
}

const packedFolder = join(root, '.cache', 'packed');
const problems: string[] = [];
const manifests = new Map<string, { folder: string; manifest: Manifest }>();
for (const name of readdirSync(join(root, 'packages'))) {
  const path = join(root, 'packages', name, 'package.json');
  if (!existsSync(path)) continue;
  const manifest = JSON.parse(readFileSync(path, 'utf8')) as Manifest;
  if (!manifest.private) manifests.set(manifest.name, { folder: join(root, 'packages', name), manifest });
}

/** Runs a command; its output is a problem only when it fails. */
function attempt(what: string, command: string, args: readonly string[], cwd: string): string | undefined {
  const result = spawnSync(command, args, { cwd, encoding: 'utf8', timeout: 300_000 });
  if (result.status === 0) return result.stdout;
  problems.push(
    `${what}: ${command} ${args.join(' ')}\n${result.stdout ?? ''}${result.stderr ?? ''}${result.error ?? ''}`,
  );
  return undefined;
}

rmSync(packedFolder, { recursive: true, force: true });
mkdirSync(packedFolder, { recursive: true });
const tarballs = new Map<string, string>();
for (const [name, { folder }] of manifests) {
  const before = new Set(readdirSync(packedFolder));
  attempt(name, 'pnpm', ['pack', '--pack-destination', packedFolder], folder);
  const tarball = readdirSync(packedFolder).find((file) => !before.has(file));
  if (tarball) tarballs.set(name, join(packedFolder, tarball));
}
// The addon of this machine, as the platform package that npm would fetch.
const platformTarballs: string[] = [];
const kernels = join(root, 'packages', 'kernels');
if (
  existsSync(join(kernels, 'scripts', 'pack-platform.mjs')) &&
  readdirSync(kernels).some((file) => file.endsWith('.node'))
) {
  const out = attempt('@mimokit/kernels', process.execPath, ['scripts/pack-platform.mjs', packedFolder], kernels);
  if (out) platformTarballs.push(out.trim().split('\n').at(-1)!);
}

/** The package and all workspace packages below it. */
function closure(names: readonly string[], seen = new Set<string>()): Set<string> {
  for (const name of names) {
    const entry = manifests.get(name);
    if (!entry || seen.has(name)) continue;
    seen.add(name);
    closure(Object.keys({ ...entry.manifest.dependencies, ...entry.manifest.optionalDependencies }), seen);
  }
  return seen;
}

function readmeExample(folder: string): string | undefined {
  const path = join(folder, 'README.md');
  return existsSync(path) ? /```ts\n([\s\S]*?)```/.exec(readFileSync(path, 'utf8'))?.[1] : undefined;
}

const wanted = process.argv.slice(2);
for (const [name, { folder }] of manifests) {
  const tarball = tarballs.get(name);
  if (!tarball || (wanted.length > 0 && !wanted.some((short) => name === `@mimokit/${short}`))) continue;
  attempt(name, 'pnpm', ['exec', 'publint', '--strict', tarball], root);
  attempt(name, 'pnpm', ['exec', 'attw', tarball, '--profile', 'esm-only'], root);

  const example = readmeExample(folder);
  if (example === undefined) {
    problems.push(`${name}: README.md has no \`\`\`ts example`);
    continue;
  }
  const room = join(tmpdir(), `mimokit-packed-${process.pid}`, name.replace('/', '-'));
  mkdirSync(room, { recursive: true });
  writeFileSync(join(room, 'package.json'), '{ "type": "module", "private": true }\n');
  writeFileSync(join(room, 'example.ts'), example);
  // Alone: the package and what it depends on; the example may bring further packages of ours or a schema library.
  const imports = [...example.matchAll(/from '((?:@[^/']+\/)?[^/']+)/g)].map((match) => match[1]!);
  const ours = closure([name, ...imports]);
  const foreign = imports.filter((target) => !target.startsWith('node:') && !manifests.has(target));
  const files = [...ours]
    .map((each) => tarballs.get(each)!)
    .concat(ours.has('@mimokit/kernels') ? platformTarballs : []);
  const install = [
    'install',
    '--ignore-scripts',
    '--no-audit',
    '--no-fund',
    '--prefer-offline',
    '--loglevel=error',
    ...files,
    ...foreign,
  ];
  if (attempt(name, 'npm', install, room) !== undefined) {
    const out = attempt(name, process.execPath, ['example.ts'], room);
    if (out !== undefined && out.trim() === '') problems.push(`${name}: the README example prints nothing`);
    if (out !== undefined) console.log(`${name}: ${out.trim().split('\n').at(-1)}`);
  }
}
rmSync(join(tmpdir(), `mimokit-packed-${process.pid}`), { recursive: true, force: true });

if (problems.length > 0) {
  console.error(problems.join('\n\n'));
  process.exit(1);
}
