// When an object that comes in pieces counts as closed.
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { createJsonExtent } from './json-extent.ts';

test('an object is closed at its last brace, however it is cut', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string({ unit: 'grapheme' }), fc.jsonValue()), fc.nat(), (value, at) => {
      const text = JSON.stringify(value);
      const cut = at % text.length;
      const extent = createJsonExtent();
      extent.push(text.slice(0, cut));
      expect(extent.closed).toBe(false);
      extent.push(text.slice(cut));
      expect(extent.closed).toBe(true);
      extent.push(' \n');
      expect(extent.closed).toBe(true);
      extent.push('{');
      expect(extent.closed).toBe(false);
    }),
  );
});

test('what is no object is never closed', () => {
  for (const text of ['', '[]', '"{}"', '1', '}{}', 'x{}']) {
    const extent = createJsonExtent();
    extent.push(text);
    expect([text, extent.closed]).toEqual([text, false]);
  }
});
