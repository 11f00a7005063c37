// Ids, counts and decoded text beside Hugging Face's `tokenizers`, for every family, on generated text; a longer comparison
// is scripts/compare.ts.
import { describe, expect, test } from 'vitest';
import { Tokenizer as Reference } from 'tokenizers';
import { createTokenizer } from '../src/index.ts';
import { randomNumbers, randomText } from './random-text.ts';
import { gpt2WithAdded, vocabularies } from './vocabularies.ts';

const families: Record<string, () => string> = {
  ...vocabularies,
  'gpt2 with added tokens of every kind': () =>
    gpt2WithAdded([
      { content: '<think>', lstrip: true },
      { content: '</think>', rstrip: true },
      { content: ' hello', normalized: true },
      { content: 'function', normalized: true, lstrip: true, rstrip: true },
    ]),
};

/** Words long enough for the heap: repetitions and random letters. */
function longWords(next: () => number): string[] {
  const pick = (from: string): string => from[Math.floor(next() * from.length)];
  const random = (letters: string, size: number): string => Array.from({ length: size }, () => pick(letters)).join('');
  return [
    'a'.repeat(1000),
    'ab'.repeat(700),
    random('etaoin', 2000),
    random('天地玄黃宇宙洪荒日月', 900),
    random('ab한字é', 1500),
    ' '.repeat(3000),
    '\n'.repeat(500),
    '='.repeat(777),
    '١'.repeat(300),
  ];
}

describe.each(Object.keys(families))('%s', (family) => {
  const json = families[family]();
  const tokenizer = createTokenizer(json);
  const reference = Reference.fromString(json);

  test('the same ids and the same text as tokenizers', async () => {
    const next = randomNumbers(20261);
    const samples = [...longWords(next), ...Array.from({ length: 15 }, () => randomText(next, 2000))];
    for (const text of samples) {
      const wanted = (await reference.encode(text, null, { addSpecialTokens: false })).getIds();
      expect([...tokenizer.encode(text)]).toEqual(wanted);
      expect(tokenizer.count(text)).toBe(wanted.length);
      expect(tokenizer.decode(wanted)).toBe(await reference.decode(wanted, false));
      expect(tokenizer.decode(wanted, { skipSpecial: true })).toBe(await reference.decode(wanted, true));
    }
  });
});
