// The arrows of docs/architecture.md as data: who may import whom. Type-only imports obey them too, and no package reaches
// into another's src. Browser entries import nothing from Node.
import { readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { root, sourcesBelow } from './tree.ts';

const arrows: Readonly<Record<string, readonly string[]>> = {
  protocol: [],
  tokenizer: ['protocol'],
  'chat-template': ['protocol'],
  kernels: ['protocol'],
  'runner-js': ['protocol'],
  runtime: ['protocol', 'tokenizer', 'chat-template'],
  client: ['protocol', 'tokenizer', 'chat-template'],
  'ai-sdk': ['protocol'],
  nano: ['protocol'],
  fixtures: [],
};
/** Folders whose code may run in a browser: no `node:` import outside the files listed. */
const browser: Readonly<Record<string, readonly string[]>> = {
  protocol: [],
  tokenizer: ['src/encode-pool.ts', 'src/encode-thread.ts', 'src/encode-worker.ts'],
  'chat-template': [],
  client: [],
  'ai-sdk': [],
  'runner-js': ['src/node.ts'],
};
const imported = /(?:from|import)\s*\(?\s*['"]([^'"]+)['"]/g;
const problems: string[] = [];

for (const [name, allowed] of Object.entries(arrows)) {
  const folder = join(root, 'packages', name);
  for (const file of sourcesBelow(join(folder, 'src'), ['.ts'])) {
    const isTest = file.endsWith('.test.ts') || relative(folder, file).startsWith('src/testing/');
    const here = relative(root, file);
    for (const [, target] of readFileSync(file, 'utf8').matchAll(imported)) {
      const own = /^@mimokit\/([^/]+)(\/src\/.*)?/.exec(target!);
      if (own?.[2]) problems.push(`${here}: imports ${target}, the inside of another package`);
      if (own && !isTest && !allowed.includes(own[1]!))
        problems.push(`${here}: ${name} may not import @mimokit/${own[1]}`);
      if (target!.startsWith('../../') && !isTest) problems.push(`${here}: ${target} leaves the package`);
      const nodeAllowed = !(name in browser) || isTest || browser[name]!.includes(relative(folder, file));
      if (target!.startsWith('node:') && !nodeAllowed) problems.push(`${here}: ${target} in a package for browsers`);
      if (target === 'zod' && name !== 'client' && !here.startsWith('packages/protocol/src/wire/') && !isTest) {
        problems.push(`${here}: zod belongs into protocol/wire and at the edges`);
      }
    }
  }
}

if (problems.length > 0) {
  console.error(problems.join('\n'));
  process.exit(1);
}
