// Makes the platform package of this host as a tarball: node scripts/pack-platform.mjs OUTDIR prints its path. What a publish does for
// every target (napi create-npm-dirs, artifacts), done for the one binary that was built here; the binary must be there already.
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const out = process.argv[2];
if (out === undefined) {
  console.error('usage: node scripts/pack-platform.mjs OUTDIR');
  process.exit(2);
}
const binaries = readdirSync(root).filter((name) => /^mimokit\..+\.node$/.test(name));
if (binaries.length !== 1) {
  console.error(
    `expected one mimokit.<platform>.node in ${root}, found ${binaries.length}: run \`pnpm run build:native\` first`,
  );
  process.exit(1);
}
const [binary] = binaries;
const platform = binary.slice('mimokit.'.length, -'.node'.length);
const [os, cpu, abi] = platform.split('-');
const libc = { gnu: 'glibc', musl: 'musl' }[abi];
const { version, license, engines } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

const folder = mkdtempSync(join(tmpdir(), 'mimokit-platform-'));
copyFileSync(join(root, binary), join(folder, binary));
writeFileSync(
  join(folder, 'package.json'),
  `${JSON.stringify(
    {
      name: `@mimokit/kernels-${platform}`,
      version,
      description: `The native binary of @mimokit/kernels for ${platform}.`,
      license,
      main: binary,
      files: [binary],
      os: [os],
      cpu: [cpu],
      ...(libc === undefined ? {} : { libc: [libc] }),
      engines,
    },
    undefined,
    2,
  )}\n`,
);
writeFileSync(
  join(folder, 'README.md'),
  `# @mimokit/kernels-${platform}\n\nThe native binary of \`@mimokit/kernels\` for ${platform}.\n`,
);

mkdirSync(out, { recursive: true });
const packed = execFileSync('npm', ['pack', '--json', '--pack-destination', resolve(out)], {
  cwd: folder,
  encoding: 'utf8',
});
rmSync(folder, { recursive: true });
const described = JSON.parse(packed);
const [{ filename }] = Array.isArray(described) ? described : Object.values(described);
// npm writes the scope as a prefix, whatever it prints.
console.log(join(resolve(out), filename.replace('@', '').replace('/', '-')));
