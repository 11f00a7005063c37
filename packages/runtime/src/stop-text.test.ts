import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { StopText } from './stop-text.ts';

/** Pushes pieces; returns what came out, and whether the text was stopped. */
function run(stop: readonly string[], pieces: readonly string[]): { text: string; isStopped: boolean } {
  const filter = new StopText(stop);
  let text = '';
  for (const piece of pieces) text += filter.push(piece);
  const { isStopped } = filter;
  return { text: text + filter.flush(), isStopped };
}

test('the answer ends before the stop string, also when it arrives in pieces', () => {
  expect(run(['###'], ['one #', '# two ##', '# three'])).toEqual({ text: 'one ## two ', isStopped: true });
});

test('a beginning that does not go on is text', () => {
  expect(run(['###'], ['one ##'])).toEqual({ text: 'one ##', isStopped: false });
  expect(run(['aab'], ['aa', 'a', 'c'])).toEqual({ text: 'aaac', isStopped: false });
});

test('as little as possible is held back', () => {
  const filter = new StopText(['stop', 'top!']);
  expect(filter.push('a sto')).toBe('a ');
  expect(filter.push('re')).toBe('store');
  expect(filter.push(' s')).toBe(' ');
});

test('of two that end together the longer one is cut', () => {
  expect(run(['b', 'ab'], ['xab'])).toEqual({ text: 'x', isStopped: true });
});

test('an empty stop string is refused', () => {
  expect(() => new StopText([''])).toThrow(/stop\[0\]/);
});

test('any split gives the text before the first match', () => {
  const letters = fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 1, maxLength: 4 });
  const text = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 40 });
  fc.assert(
    fc.property(fc.array(letters, { minLength: 1, maxLength: 3 }), text, fc.array(fc.nat(6)), (stop, whole, sizes) => {
      const pieces: string[] = [];
      let at = 0;
      for (const size of sizes) pieces.push(whole.slice(at, (at += size)));
      pieces.push(whole.slice(at));
      // The match that ends first, and of those the one that begins first.
      let expected = { text: whole, isStopped: false };
      for (let end = 1; end <= whole.length && !expected.isStopped; end++) {
        const ending = stop.filter((one) => whole.slice(0, end).endsWith(one)).map((one) => one.length);
        if (ending.length > 0) expected = { text: whole.slice(0, end - Math.max(...ending)), isStopped: true };
      }
      expect(run(stop, pieces)).toEqual(expected);
    }),
  );
});
