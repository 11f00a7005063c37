// Worst cases cost n log n at most: operations are counted, not timed.
import { describe, expect, test, vi } from 'vitest';
import { Merger } from '../src/bpe.ts';
import { mergeLong } from '../src/merge-long.ts';
import { PairTable } from '../src/pair-table.ts';
import { pieceStarts } from '../src/pretokenize/pieces.ts';
import { type SplitRule, splitterFor } from '../src/pretokenize/rules.ts';
import { readTokenizerJson } from '../src/read-tokenizer-json.ts';
import { Vocabulary } from '../src/vocabulary.ts';
import { vocabularies } from './vocabularies.ts';

const utf8 = new TextEncoder();
const size = 6000;
const shapes: Record<string, (units: number) => string> = {
  'one letter': (units) => 'a'.repeat(units),
  digits: (units) => '7'.repeat(units),
  spaces: (units) => ' '.repeat(units),
  'line ends and spaces': (units) => '\n  '.repeat(units / 3),
  emoji: (units) => '😀'.repeat(units / 2),
  'a giant word': (units) => 'pneumonoultramicro'.repeat(units / 18),
  'alternating scripts': (units) => 'aд한字ب'.repeat(units / 5),
  'capitals before a small letter': (units) => `${'A'.repeat(units)}a`,
  'capitals and marks': (units) => 'A\u0301'.repeat(units / 2),
  apostrophes: (units) => "'".repeat(units),
};

describe('splitting looks at each byte a bounded number of times', () => {
  const rules: SplitRule[][] = [
    ['qwen2'],
    ['llama3'],
    ['gpt2'],
    ['digits', 'gpt2'],
    ['o200k'],
    ['digits-3', 'han-kana', 'deepseek-v3'],
  ];
  test.each(rules.map((rule) => [rule.join('+'), rule] as const))('%s', (_, rule) => {
    for (const [shape, make] of Object.entries(shapes)) {
      const bytes = utf8.encode(make(size));
      expect(`${shape}: ${reads(bytes, rule) / bytes.length <= 24}`).toBe(`${shape}: true`);
    }
  });
});

/** How often the splitter reads a byte while it splits all of them. */
function reads(bytes: Uint8Array, rule: readonly SplitRule[]): number {
  let count = 0;
  const padded = new Uint8Array(bytes.length + 16).fill(0x20);
  padded.set(bytes);
  const counted = new Proxy(padded, {
    get: (target, key) => {
      count++;
      return Reflect.get(target, key, target) as unknown;
    },
  });
  const splitter = splitterFor(rule);
  splitter.begin();
  let end = 0;
  for (;;) {
    const pieces = splitter.next(counted, new DataView(padded.buffer), bytes.length);
    if (pieces === 0) break;
    end = pieceStarts[pieces];
  }
  expect(end).toBe(bytes.length);
  return count;
}

test('merging asks for at most three pairs a byte, however long the word', () => {
  const vocabulary = new Vocabulary(readTokenizerJson(vocabularies['gpt2']()));
  const merger = new Merger(vocabulary.spec.byteIds, vocabulary.pairs, mergeLong);
  const rank = vi.spyOn(PairTable.prototype, 'rank');
  for (const make of Object.values(shapes)) {
    const bytes = utf8.encode(make(size));
    rank.mockClear();
    merger.merge(bytes, 0, bytes.length);
    expect(rank.mock.calls.length).toBeLessThanOrEqual(3 * bytes.length);
  }
  rank.mockRestore();
});
