// Encoding a word by the longest tokens that fit makes the tokens that merging its bytes makes, for whole vocabularies.
import { describe, expect, test } from 'vitest';
import { Merger } from '../src/bpe.ts';
import { LongestFit } from '../src/longest-fit.ts';
import { mergeLong } from '../src/merge-long.ts';
import { readTokenizerJson } from '../src/read-tokenizer-json.ts';
import { Vocabulary } from '../src/vocabulary.ts';
import { unreachableTokens } from '../src/whole-words.ts';
import { randomNumbers, randomText } from './random-text.ts';
import { smallTokenizer, vocabularies } from './vocabularies.ts';

const utf8 = new TextEncoder();

describe.each(['mimo', 'gpt2', 'deepseek-v3', 'o200k'])('%s', (family) => {
  const vocabulary = new Vocabulary(readTokenizerJson(vocabularies[family]()));
  const merger = new Merger(vocabulary.spec.byteIds, vocabulary.pairs, mergeLong);
  const fit = LongestFit.for(vocabulary.spec, vocabulary.pairs, unreachableTokens(vocabulary));
  if (fit === undefined) throw new Error('this vocabulary has no longest fit');

  function check(bytes: Uint8Array): void {
    const padded = new Uint8Array(bytes.length + 16);
    padded.set(bytes);
    const out = new Int32Array(bytes.length + 8);
    const count = fit?.encode(padded, 0, bytes.length, out, 0);
    const merged = merger.merge(padded, 0, bytes.length);
    expect([...out.subarray(0, count)]).toEqual([...merger.ids.subarray(0, merged)]);
  }

  test('random text, as one word', () => {
    const next = randomNumbers(4);
    for (let i = 0; i < 300; i++) check(utf8.encode(randomText(next, 1 + Math.floor(next() * 40))));
  });

  test('few letters, in every order', () => {
    const next = randomNumbers(5);
    const alphabets = ['ab', 'etaoin', ' a', '=-', '天地人', '한글a', 'éa', '😀a', '\u0301a', '\0\x01'];
    for (const alphabet of alphabets) {
      const letters = [...alphabet];
      for (let i = 0; i < 60; i++) {
        const size = 1 + Math.floor(next() * 70);
        check(utf8.encode(Array.from({ length: size }, () => letters[Math.floor(next() * letters.length)]).join('')));
      }
    }
  });

  test('pieces of tokens, cut anywhere', () => {
    const next = randomNumbers(6);
    const { bytes, offsets } = vocabulary.spec.tokens;
    const total = offsets[vocabulary.spec.modelIds];
    for (let i = 0; i < 1000; i++) {
      const from = Math.floor(next() * (total - 64));
      // Text is valid UTF-8: what is cut becomes U+FFFD.
      check(utf8.encode(new TextDecoder().decode(bytes.subarray(from, from + 1 + Math.floor(next() * 60)))));
    }
  });
});

test('there is none where ids do not follow the ranks, or a byte has no token', () => {
  for (const changes of [
    { vocab: { he: 999 }, merges: ['h e'] },
    { vocab: { he: 256, th: 257 }, merges: ['h e'] },
  ]) {
    const vocabulary = new Vocabulary(readTokenizerJson(smallTokenizer(changes)));
    expect(LongestFit.for(vocabulary.spec, vocabulary.pairs, new Set())).toBeUndefined();
  }
  const gaps = new Vocabulary(readTokenizerJson(vocabularies['with bytes that stand for nothing']()));
  expect(LongestFit.for(gaps.spec, gaps.pairs, new Set())).toBeUndefined();
});
