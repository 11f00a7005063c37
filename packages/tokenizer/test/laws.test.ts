// Laws that hold for every text, over the kept corpus and random ones: MIMOKIT_FUZZ_RUNS of them for each law (default 1,000),
// then more for MIMOKIT_FUZZ_SECONDS in all (default 20 in CI, else none). Time only ends that, it cannot fail it.
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { loadMimoTokenizer } from '../src/mimo.ts';
import { sizes, textLaws, texts } from './laws.ts';

const mimo = await loadMimoTokenizer();
const numRuns = Number(process.env['MIMOKIT_FUZZ_RUNS'] ?? 1000);
const seconds = Number(process.env['MIMOKIT_FUZZ_SECONDS'] ?? (process.env['CI'] === undefined ? 0 : 20));
const corpus = JSON.parse(readFileSync(new URL('corpus/texts.json', import.meta.url), 'utf8')) as string[];

describe('every text', () => {
  test.each(Object.entries(textLaws))('%s', (_, law) => {
    for (const text of corpus) law(text, [1, 0, 2]);
    const property = fc.property(texts, sizes, law);
    fc.assert(property, { numRuns });
    const interruptAfterTimeLimit = (seconds * 1000) / Object.keys(textLaws).length;
    if (seconds > 0) fc.assert(property, { numRuns: Number.MAX_SAFE_INTEGER, interruptAfterTimeLimit });
  });

  test('is encoded the same by a tokenizer that has seen nothing', async () => {
    for (const text of [...corpus, ...fc.sample(texts, 60)])
      expect([...(await loadMimoTokenizer()).encode(text)]).toEqual([...mimo.encode(text)]);
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
    { numRuns },
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
