import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TextPieces } from './text-pieces.ts';

/** Ids are bytes here. */
const decode = (ids: readonly number[]): string => new TextDecoder().decode(Uint8Array.from(ids));
const bytes = (text: string): number[] => [...new TextEncoder().encode(text)];

describe('pieces', () => {
  test('whole characters only, and all of the text, however it is cut', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.array(fc.integer({ min: 1, max: 5 })), (text, sizes) => {
        const pieces = new TextPieces(decode, []);
        const ids = bytes(text);
        let said = '';
        for (let at = 0, i = 0; at < ids.length; i++) {
          const size = sizes[i] ?? 3;
          said += pieces.push(ids.slice(at, at + size));
          at += size;
        }
        expect(said + pieces.end()).toBe(text);
      }),
    );
  });

  test('the first stop text ends it, wherever it is cut', () => {
    fc.assert(
      fc.property(
        fc.stringMatching(/^[ab]{0,30}$/),
        fc.array(fc.stringMatching(/^[ab]{1,4}$/), { maxLength: 3 }),
        (text, stop) => {
          const pieces = new TextPieces(decode, stop);
          let said = '';
          for (const id of bytes(text)) said += pieces.push([id]);
          said += pieces.end();
          // A character at a time, the stop text that is complete first counts; of those the longest reach.
          let expected = text;
          for (let end = 1; end <= text.length && expected === text; end++) {
            const found = stop.filter((each) => text.slice(0, end).endsWith(each)).map((each) => end - each.length);
            if (found.length > 0) expected = text.slice(0, Math.min(...found));
          }
          expect(pieces.matched === undefined).toBe(!stop.some((each) => text.includes(each)));
          expect(said).toBe(expected);
        },
      ),
    );
  });
});
