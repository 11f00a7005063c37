import { NumberLiteral, readJson } from '@mimokit/protocol';
import { describe, expect, test } from 'vitest';
import { pythonFloat, pythonJson, pythonRepr, pythonString, pythonStrip } from './python-format.ts';

describe('floats print as repr prints them', () => {
  test.each([
    [0.1, '0.1'],
    [1, '1.0'],
    [-0, '-0.0'],
    [1e-4, '0.0001'],
    [1e-5, '1e-05'],
    [1e15, '1000000000000000.0'],
    [1e16, '1e+16'],
    [1.5e-7, '1.5e-07'],
    [1e22, '1e+22'],
    [1e300, '1e+300'],
    [5e-324, '5e-324'],
    [123456.789, '123456.789'],
    [-0.00012, '-0.00012'],
    [Number.POSITIVE_INFINITY, 'inf'],
    [Number.NaN, 'nan'],
  ])('%d is %s', (value, text) => expect(pythonFloat(value)).toBe(text));
});

describe('numbers of a JSON text', () => {
  test.each([
    ['1', '1'],
    ['1.0', '1.0'],
    ['-0', '0'],
    ['1e-07', '1e-07'],
    ['2.50', '2.5'],
    ['1E5', '100000.0'],
    ['12345678901234567890', '12345678901234567890'],
    ['1e400', 'inf'],
  ])('%s prints %s', (source, text) => expect(pythonString(readJson(source))).toBe(text));

  test('infinity differs between str and JSON', () => {
    expect(pythonString(new NumberLiteral('-1e999'))).toBe('-inf');
    expect(pythonJson(new NumberLiteral('-1e999'))).toBe('-Infinity');
  });
  test('a bigint prints its digits', () =>
    expect(pythonJson([123456789012345678901234567890n])).toBe('[123456789012345678901234567890]'));
});

test('JSON separates with a space, keeps non-ASCII and escapes control characters alone', () => {
  expect(pythonJson(readJson('{"a": [1, null, true], "é": "ü\\u0001\\u007f\\n"}'))).toBe(
    '{"a": [1, null, true], "é": "ü\\u0001\x7f\\n"}',
  );
});

test('integer-like keys keep their place', () => {
  expect(pythonJson(readJson('{"b": 1, "10": 2, "2": 3, "__proto__": 4}'))).toBe(
    '{"b": 1, "10": 2, "2": 3, "__proto__": 4}',
  );
});

describe('repr of a string', () => {
  test.each([
    ['plain', "'plain'"],
    ["it's", '"it\'s"'],
    [`it's "q"`, `'it\\'s "q"'`],
    ['a\\b\n\t\r', "'a\\\\b\\n\\t\\r'"],
    ['\x00\x7f\x85\u00ad', "'\\x00\\x7f\\x85\\xad'"],
    ['\u200b\u2028\u3000', "'\\u200b\\u2028\\u3000'"],
    ['\u{e0001}😀é', "'\\U000e0001😀é'"],
  ])('%j', (text, repr) => expect(pythonRepr(text)).toBe(repr));
});

test('str of a list is repr inside, str of a string is the string', () => {
  expect(pythonString(readJson('["a", null, true, 1.0, {"k": "v"}]'))).toBe("['a', None, True, 1.0, {'k': 'v'}]");
  expect(pythonString('None')).toBe('None');
  expect(pythonString(null)).toBe('None');
});

test('strip takes what Python takes for white space and nothing else', () => {
  expect(pythonStrip('\u3000\x1c \x85a\u00a0b\u2029\v')).toBe('a\u00a0b');
  expect(pythonStrip('\ufeffa\u200b')).toBe('\ufeffa\u200b');
});
