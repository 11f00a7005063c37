// The golden vectors made with Hugging Face's `tokenizers` on MiMo's vocabulary.
import { fixtureJson, fixtureJsonl } from '@mimokit/fixtures';
import { describe, expect, test } from 'vitest';
import type { Span } from '../src/index.ts';
import { loadMimoTokenizer } from '../src/mimo.ts';

interface EncodeCase {
  id: string;
  cat: string;
  text: string;
  ids: number[];
}
interface PlainCase extends EncodeCase {
  ids_with_special: number[];
}
interface DecodeCase {
  id: string;
  ids: number[];
  text: string;
  text_skip_special: string;
  pieces: string[];
  flush: string;
}

/** The ids of the cases whose two values are not the same. */
function differing<T extends { id: string }>(cases: readonly T[], pair: (row: T) => [unknown, unknown]): string[] {
  const isSame = ([got, wanted]: [unknown, unknown]): boolean => JSON.stringify(got) === JSON.stringify(wanted);
  return cases.filter((row) => !isSame(pair(row))).map((row) => row.id);
}

const mimo = await loadMimoTokenizer();
const encodeCases = fixtureJsonl<EncodeCase>('tokenizer', 'encode.jsonl');
const plainCases = fixtureJsonl<PlainCase>('tokenizer', 'encode_plain.jsonl');
const decodeCases = fixtureJsonl<DecodeCase>('tokenizer', 'decode.jsonl');

describe('encode', () => {
  test(`all ${encodeCases.length} texts give the golden ids`, () => {
    expect(encodeCases.length).toBe(1500);
    expect(differing(encodeCases, ({ text, ids }) => [[...mimo.encode(text)], ids])).toEqual([]);
  });

  test('a word remembered from another text gives the same ids', () => {
    expect(differing(encodeCases.toReversed(), ({ text, ids }) => [[...mimo.encode(text)], ids])).toEqual([]);
  });

  test('count is the number of ids', () => {
    expect(differing(encodeCases, ({ text, ids }) => [mimo.count(text), ids.length])).toEqual([]);
  });

  test(`special-token text stays text on request, in all ${plainCases.length} cases`, () => {
    expect(plainCases.length).toBe(80);
    expect(differing(plainCases, ({ text, ids }) => [[...mimo.encode(text, { special: false })], ids])).toEqual([]);
    const whole = (text: string): { literal: Span[] } => ({ literal: [{ start: 0, end: text.length }] });
    expect(differing(plainCases, ({ text, ids }) => [[...mimo.encode(text, whole(text))], ids])).toEqual([]);
    expect(differing(plainCases, ({ text, ids_with_special }) => [[...mimo.encode(text)], ids_with_special])).toEqual(
      [],
    );
  });

  test('the vectors of the model description', () => {
    const { vectors } = fixtureJson<{ vectors: { text: string; ids: number[] }[] }>('tokenizer', 'spec_vectors.json');
    expect(vectors.length).toBe(2);
    for (const { text, ids } of vectors) expect([...mimo.encode(text)]).toEqual(ids);
  });
});

describe('decode', () => {
  test(`all ${decodeCases.length} id lists give the golden text`, () => {
    expect(decodeCases.length).toBe(240);
    expect(differing(decodeCases, ({ ids, text }) => [mimo.decode(ids), text])).toEqual([]);
    expect(
      differing(decodeCases, (row) => [mimo.decode(row.ids, { skipSpecial: true }), row.text_skip_special]),
    ).toEqual([]);
  });

  test('a stream shows each token as soon as its characters are certain', () => {
    const shown = ({ ids }: DecodeCase): string[] => {
      const stream = mimo.decodeStream();
      return [...ids.map((id) => stream.push([id])), stream.flush()];
    };
    expect(differing(decodeCases, (row) => [shown(row), [...row.pieces, row.flush]])).toEqual([]);
  });

  test('a burst of tokens shows what they would have shown one by one, at every split', () => {
    const burst = (ids: readonly number[], cut: number): string[] => {
      const stream = mimo.decodeStream();
      return [stream.push(ids.slice(0, cut)), stream.push(ids.slice(cut)), stream.flush()];
    };
    for (let cut = 0; cut <= Math.max(...decodeCases.map((row) => row.ids.length)); cut++) {
      const wanted = ({ pieces, flush }: DecodeCase): string[] => [
        pieces.slice(0, cut).join(''),
        pieces.slice(cut).join(''),
        flush,
      ];
      expect(differing(decodeCases, (row) => [burst(row.ids, cut), wanted(row)])).toEqual([]);
    }
  });

  test('a stream without special tokens gives the text without them', () => {
    const shown = ({ ids }: DecodeCase): string => {
      const stream = mimo.decodeStream({ skipSpecial: true });
      return stream.push(ids) + stream.flush();
    };
    expect(differing(decodeCases, (row) => [shown(row), row.text_skip_special])).toEqual([]);
  });
});
