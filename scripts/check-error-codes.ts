// Every error code has a row in docs/errors.md and a place that throws it, and no page names one that does not exist.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { errorCodes } from '../packages/protocol/src/errors.ts';
import { root, sourcesBelow } from './tree.ts';

const problems: string[] = [];
const page = readFileSync(join(root, 'docs', 'errors.md'), 'utf8');
const documented = new Set([...page.matchAll(/^\| `([a-z-]+)` \|/gm)].map((match) => match[1]!));
const sources = ['packages', 'crates']
  .flatMap((folder) => sourcesBelow(join(root, folder), ['.ts', '.rs']))
  .filter((file) => !file.endsWith('errors.ts') && !file.endsWith('.test.ts'))
  .map((file) => readFileSync(file, 'utf8'))
  .join('\n');

for (const code of errorCodes) {
  if (!documented.has(code)) problems.push(`docs/errors.md has no row for ${code}`);
  if (!sources.includes(`'${code}'`) && !sources.includes(`"${code}"`)) problems.push(`nothing throws ${code}`);
}
for (const code of documented) {
  if (!(errorCodes as readonly string[]).includes(code))
    problems.push(`docs/errors.md names ${code}, which does not exist`);
}
if ([...errorCodes].sort().join() !== errorCodes.join()) problems.push('errors.ts: the codes are not in order');

if (problems.length > 0) {
  console.error(problems.join('\n'));
  process.exit(1);
}
