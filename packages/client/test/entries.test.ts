// What each entry of the package draws in: the core stays small and runs in browsers.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';

const source = join(import.meta.dirname, '..', 'src');
const imported = /(?:from|import)\s*\(?\s*'([^']+)'/g;

/** Other packages that a file and all files below it import, types included. */
function packagesOf(entry: string): string[] {
  const seen = new Set<string>();
  const packages = new Set<string>();
  const visit = (file: string): void => {
    if (seen.has(file)) return;
    seen.add(file);
    for (const [, target] of readFileSync(file, 'utf8').matchAll(imported)) {
      if (target!.startsWith('.')) visit(join(dirname(file), target!));
      else packages.add(target!);
    }
  };
  visit(join(source, entry));
  return [...packages].sort();
}

test.each([
  ['index.ts', ['@mimokit/protocol', '@mimokit/protocol/wire', '@standard-schema/spec', 'eventsource-parser']],
  ['run-tools.ts', ['@mimokit/protocol', '@standard-schema/spec']],
  ['mcp.ts', ['@mimokit/protocol', '@standard-schema/spec']],
  ['context/index.ts', ['@mimokit/chat-template', '@mimokit/protocol', '@mimokit/tokenizer', '@standard-schema/spec']],
  [
    'raw.ts',
    [
      '@mimokit/chat-template',
      '@mimokit/protocol',
      '@mimokit/protocol/wire',
      '@mimokit/tokenizer',
      'eventsource-parser',
      'zod',
    ],
  ],
])('%s imports no more than it must', (entry, packages) => {
  expect(packagesOf(entry)).toEqual(packages);
});
