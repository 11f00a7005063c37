// The laws of encoding and decoding, as functions that throw: run over the kept corpus and random texts by laws.test.ts, and for
// as long as one likes by scripts/fuzz.ts.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { createTokenizer, type Tokenizer } from '../src/index.ts';
import { loadMimoTokenizer } from '../src/mimo.ts';
import { randomNumbers, randomText } from './random-text.ts';
import { vocabularies } from './vocabularies.ts';

const mimo = await loadMimoTokenizer();
/** Three splits, with and without NFC, one tokenizer each for all texts: what it learns from one must not change the next. */
const tokenizers: Readonly<Record<string, Tokenizer>> = {
  mimo,
  smollm: createTokenizer(vocabularies['smollm']!()),
  o200k: createTokenizer(vocabularies['o200k']!()),
};

/** The text with lone surrogates as U+FFFD. */
export const wellFormed = (text: string): string =>
  new TextDecoder('utf-8', { ignoreBOM: true }).decode(new TextEncoder().encode(text));

/** NFC on both sides: characters that only newer Unicode versions compose are left as they are (nfc.test.ts). */
const sameText = (actual: string, wanted: string): void =>
  assert.equal(actual.normalize('NFC'), wellFormed(wanted.normalize('NFC')));

const same = (actual: Int32Array, wanted: Int32Array): void => assert.deepEqual([...actual], [...wanted]);

type Law = (text: string, sizes: readonly number[], tokenizer: Tokenizer) => void;

const lawsOfOne: Readonly<Record<string, Law>> = {
  'decodes to itself, lone surrogates as U+FFFD': (text, _, tokenizer) => {
    const decoded = tokenizer.decode(tokenizer.encode(text));
    if (tokenizer === mimo) sameText(decoded, text);
    else assert.equal(decoded, wellFormed(text));
  },
  'has as many ids as count says': (text, _, tokenizer) =>
    assert.equal(tokenizer.count(text), tokenizer.encode(text).length),
  'is covered by the offsets of its ids, in order and without gaps': (text, _, tokenizer) => {
    const { ids, starts, ends } = tokenizer.encodeWithOffsets(text);
    same(ids, tokenizer.encode(text));
    let reached = 0;
    for (let i = 0; i < ids.length; i++) {
      assert.ok(starts[i] <= reached && ends[i] >= reached);
      reached = ends[i];
    }
    assert.equal(reached, text.length);
  },
  'comes out of a stream in the same characters, whatever the bursts': (text, sizes, tokenizer) => {
    const ids = tokenizer.encode(text);
    const stream = tokenizer.decodeStream();
    let shown = '';
    let at = 0;
    for (const size of sizes) shown += stream.push(ids.subarray(at, (at += size)));
    shown += stream.push(ids.subarray(at)) + stream.flush();
    assert.equal(shown, tokenizer.decode(ids));
    assert.equal(shown, wellFormed(shown));
  },
  'is cut to at most so many ids, at a character, and to the most that fit': (text, [most = 0], tokenizer) => {
    const cut = tokenizer.truncate(text, most);
    const all = tokenizer.encode(text);
    assert.ok(cut.ids.length <= most);
    same(cut.ids, all.subarray(0, cut.ids.length));
    assert.ok(text.startsWith(cut.text));
    assert.equal(cut.truncated, cut.ids.length < all.length);
    sameText(tokenizer.decode(cut.ids), cut.text);
    if (text !== wellFormed(text) || text !== text.normalize('NFC')) return;
    // Further on, every id that would have fitted ends inside a character.
    const bytes = new TextEncoder().encode(text);
    let end = 0;
    all.subarray(0, most).forEach((id, i) => {
      end += tokenizer.tokenBytes(id).length;
      assert.ok(i < cut.ids.length || (bytes[end]! & 0xc0) === 0x80);
    });
  },
  'gives no id of a control token where it is data, and the same text back': (text, [start = 0], tokenizer) => {
    const special = new Set(tokenizer.specialTokens.values());
    const data = tokenizer.encode(text, { special: false });
    assert.ok(!data.some((id) => special.has(id)));
    sameText(tokenizer.decode(data), text);
    const from = Math.min(start, text.length);
    const literal = [{ start: from, end: text.length }];
    const { ids, starts } = tokenizer.encodeWithOffsets(text, { literal });
    ids.forEach((id, i) => assert.ok(!special.has(id) || starts[i] < from));
  },
};

/** Each law, over all tokenizers. */
export const textLaws: Readonly<Record<string, (text: string, sizes: readonly number[]) => void>> = Object.fromEntries(
  Object.entries(lawsOfOne).map(([name, law]) => [
    name,
    (text: string, sizes: readonly number[]): void => {
      for (const [which, tokenizer] of Object.entries(tokenizers)) {
        try {
          law(text, sizes, tokenizer);
        } catch (error) {
          throw new Error(`${which}: ${(error as Error).message}`, { cause: error });
        }
      }
    },
  ]),
);

const seeds = fc.integer({ min: 0, max: 2 ** 31 });
const wild = fc
  .tuple(seeds, fc.integer({ min: 0, max: 300 }))
  .map(([seed, size]) => randomText(randomNumbers(seed), size));

/** Texts of every script, of any code points at all, and of letters. */
export const texts: fc.Arbitrary<string> = fc.oneof(
  wild,
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc.string({ maxLength: 60 }),
  // Any UTF-16 units: halves of pairs in any order.
  fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 40 }).map((units) => String.fromCharCode(...units)),
);

/** Lengths: of bursts of ids, and where to cut. */
export const sizes: fc.Arbitrary<number[]> = fc.array(fc.nat(30), { maxLength: 40 });
