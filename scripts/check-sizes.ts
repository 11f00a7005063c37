// One thing a file: at most 450 lines, no folder or file that could hold anything, and a tree that stays small to clone.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { basename, join, relative } from 'node:path';
import { root, sourcesBelow } from './tree.ts';

const maxLines = 450;
const maxTreeBytes = 32 * 1024 * 1024;
const anything = /(^|[/_-])(utils?|helpers?|common|misc)([/._-]|$)/;
const problems: string[] = [];

for (const folder of ['packages', 'crates', 'examples', 'scripts']) {
  for (const file of sourcesBelow(join(root, folder), ['.ts', '.mjs', '.rs', '.py', '.cu', '.cuh'])) {
    const here = relative(root, file);
    if (anything.test(here)) problems.push(`${here}: a name that says nothing`);
    if (/\.generated\.|binding\.d\.cts/.test(basename(file))) continue;
    const text = readFileSync(file, 'utf8');
    const lines = text.split('\n').length;
    if (lines > maxLines) problems.push(`${here}: ${lines} lines; is it one thing?`);
    // A test's sentences say what it is; the others have a head.
    if (!/^(#!.*\n)?\s*(\/\/|\/\*|#|""")/.test(text) && !/(\.test\.ts|tsup\.config\.ts|build\.rs)$/.test(file)) {
      problems.push(`${here}: the head does not say what lives here`);
    }
  }
}

const tracked = spawnSync('git', ['ls-files', '-z'], { cwd: root, encoding: 'utf8', maxBuffer: 1 << 26 });
const bytes = tracked.stdout
  .split('\0')
  .filter((name) => name !== '' && existsSync(join(root, name)))
  .reduce((sum, name) => sum + statSync(join(root, name)).size, 0);
if (bytes > maxTreeBytes) problems.push(`tracked files add up to ${(bytes / 1048576).toFixed(1)} MiB, over 32`);

if (problems.length > 0) {
  console.error(problems.join('\n'));
  process.exit(1);
}
