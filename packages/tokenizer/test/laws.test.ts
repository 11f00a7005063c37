// Laws that hold for every text, checked on generated ones.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { loadMimoTokenizer } from '../src/mimo.ts';
import { randomNumbers, randomText } from './random-text.ts';

const mimo = await loadMimoTokenizer();
const seeds = fc.integer({ min: 0, max: 2 ** 31 });
const wild = fc
  .tuple(seeds, fc.integer({ min: 0, max: 300 }))
  .map(([seed, size]) => randomText(randomNumbers(seed), size));
const texts = fc.oneof(wild, fc.string({ unit: 'binary', maxLength: 60 }), fc.string({ maxLength: 60 }));
const runs = { numRuns: 400 };

/** The text with lone surrogates as U+FFFD. */
const wellFormed = (text: string): string =>
  new TextDecoder('utf-8', { ignoreBOM: true }).decode(new TextEncoder().encode(text));

describe('every text', () => {
  test('decodes to itself in NFC, lone surrogates as U+FFFD', () => {
    // Characters that only newer Unicode versions compose are left as they are: see nfc.test.ts.
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (text) => {
        const decoded = mimo.decode(mimo.encode(text));
        expect(decoded.normalize('NFC')).toBe(wellFormed(text.normalize('NFC')));
      }),
      runs,
    );
  });

  test('has as many ids as count says', () => {
    fc.assert(
      fc.property(texts, (text) => mimo.count(text) === mimo.encode(text).length),
      runs,
    );
  });

  test('is encoded the same by a tokenizer that has seen nothing', async () => {
    const samples = fc.sample(texts, 60);
    for (const text of samples) expect([...(await loadMimoTokenizer()).encode(text)]).toEqual([...mimo.encode(text)]);
  });

  test('is covered by the offsets of its ids, in order and without gaps', () => {
    fc.assert(
      fc.property(texts, (text) => {
        const { ids, starts, ends } = mimo.encodeWithOffsets(text);
        expect([...ids]).toEqual([...mimo.encode(text)]);
        let reached = 0;
        for (let i = 0; i < ids.length; i++) {
          expect(starts[i]).toBeLessThanOrEqual(reached);
          expect(ends[i]).toBeGreaterThanOrEqual(reached);
          reached = ends[i];
        }
        expect(reached).toBe(text.length);
      }),
      runs,
    );
  });

  test('comes out of a stream in the same characters, whatever the bursts', () => {
    fc.assert(
      fc.property(texts, fc.array(fc.nat(5), { maxLength: 40 }), (text, bursts) => {
        const ids = mimo.encode(text);
        const stream = mimo.decodeStream();
        let shown = '';
        let at = 0;
        for (const size of bursts) shown += stream.push(ids.subarray(at, (at += size)));
        shown += stream.push(ids.subarray(at)) + stream.flush();
        expect(shown).toBe(mimo.decode(ids));
        expect(shown).toBe(wellFormed(shown));
      }),
      runs,
    );
  });

  test('is cut to at most so many ids, at a character, and to the most that fit', () => {
    fc.assert(
      fc.property(texts, fc.nat(30), (text, most) => {
        const cut = mimo.truncate(text, most);
        const all = mimo.encode(text);
        expect(cut.ids.length).toBeLessThanOrEqual(most);
        expect([...cut.ids]).toEqual([...all.subarray(0, cut.ids.length)]);
        expect(text.startsWith(cut.text)).toBe(true);
        expect(cut.truncated).toBe(cut.ids.length < all.length);
        expect(mimo.decode(cut.ids).normalize('NFC')).toBe(wellFormed(cut.text.normalize('NFC')));
        // A character has at most four bytes, so no more than three ids are given up for its sake, or a stretch NFC changed.
        if (text === wellFormed(text) && text === text.normalize('NFC'))
          expect(cut.ids.length).toBeGreaterThan(Math.min(most, all.length) - 4);
      }),
      runs,
    );
  });
});

test('any bytes of ids decode as a UTF-8 decoder reads them, at once and one by one', () => {
  const byteIds = Array.from({ length: 256 }, (_, id) => id);
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...byteIds), { maxLength: 24 }), (ids) => {
      const bytes = Uint8Array.from(ids.flatMap((id) => [...mimo.tokenBytes(id)]));
      const wanted = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);
      expect(mimo.decode(ids)).toBe(wanted);
      const stream = mimo.decodeStream();
      expect(ids.map((id) => stream.push([id])).join('') + stream.flush()).toBe(wanted);
    }),
    runs,
  );
});

test('what is no id is refused, an id without a token is nothing', () => {
  for (const bad of [-1, 1.5, Number.NaN, Infinity, 2 ** 32]) {
    expect(() => mimo.decode([0, bad])).toThrowError(/ids\[1\]/);
    expect(() => mimo.decodeStream().push([bad])).toThrowError(/ids\[0\]/);
  }
  expect(mimo.decode([151669, 152575, 4294967295])).toBe('');
});

test('a batch is its texts one by one', () => {
  const batch = ['', 'one', '<|im_end|>', 'zwei'];
  expect(mimo.encodeBatch(batch).map((ids) => [...ids])).toEqual(batch.map((text) => [...mimo.encode(text)]));
});
