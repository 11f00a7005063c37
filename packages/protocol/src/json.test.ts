import { describe, expect, test } from 'vitest';
import { isMimoError, jsonGet, NumberLiteral, readJson, writeJson } from './index.ts';

describe('numbers keep their text', () => {
  test.each([
    '0',
    '-0',
    '1',
    '1.0',
    '2.50',
    '1e-07',
    '1E+5',
    '0.1',
    '12345678901234567890',
    '-0.0',
    '1e400',
    '123456789012345678901234567890.5',
  ])('%s', (text) => {
    expect(writeJson(readJson(text))).toBe(text);
  });
  test('those that JavaScript prints the same are plain numbers', () => {
    expect(readJson('[1, 0.5, -3, 1e+21]')).toEqual([1, 0.5, -3, 1e21]);
    expect(readJson('1.0')).toEqual(new NumberLiteral('1.0'));
    expect(Number(readJson('1e-07') as NumberLiteral)).toBe(1e-7);
    expect(JSON.stringify({ a: readJson('1.0') })).toBe('{"a":1}');
  });
  test('a bigint writes its digits', () =>
    expect(writeJson({ a: 12345678901234567890n })).toBe('{"a":12345678901234567890}'));
});

describe('objects keep their key order', () => {
  test.each(['{"b":1,"10":2,"a":3,"2":4}', '{"__proto__":{"x":1},"y":2}', '{"a":1,"b":{"1":2}}'])('%s', (text) => {
    expect(writeJson(readJson(text))).toBe(text);
  });
  test('a plain object is a plain object', () => {
    expect(readJson('{"a":1,"01":2,"1.0":3,"-1":4}')).toEqual({ a: 1, '01': 2, '1.0': 3, '-1': 4 });
    expect(readJson('{"1":2}')).toEqual(new Map([['1', 2]]));
  });
  test('a repeated key keeps its first place and last value', () => {
    expect(writeJson(readJson('{"a":1,"b":2,"a":3}'))).toBe('{"a":3,"b":2}');
    expect(writeJson(readJson('{"1":1,"b":2,"1":3}'))).toBe('{"1":3,"b":2}');
  });
  test('nothing inherited is found', () => {
    expect(jsonGet(readJson('{}'), 'constructor')).toBeUndefined();
    expect(jsonGet(readJson('{"1":2}'), '1')).toBe(2);
    expect(jsonGet([1], '0')).toBeUndefined();
  });
});

test('strings: escapes, surrogates, nothing trimmed', () => {
  expect(readJson(' "a\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\ud83d\\ude00\\ud800" ')).toBe('a"\\/\b\f\n\r\té😀\ud800');
});

describe('what is no JSON is refused with its offset', () => {
  test.each([
    ['', 0],
    ['tru', 0],
    ['[1,]', 3],
    ['{"a":1,}', 7],
    ['{a:1}', 1],
    ['01', 1],
    ['1.', 2],
    ['.5', 0],
    ['+1', 0],
    ['NaN', 0],
    ['"a', 2],
    ['"\n"', 1],
    ['"\\x"', 0],
    ['"\\u12g4"', 0],
    ["{'a':1}", 1],
    ['1 2', 2],
    ['\ufeff1', 0],
  ])('%j', (text, offset) => {
    try {
      readJson(text);
      expect.unreachable();
    } catch (error) {
      expect(isMimoError(error, 'invalid-json') && error.details.offset).toBe(offset);
    }
  });
  test('nesting beyond the bound, however deep', () => {
    expect(() => readJson('['.repeat(1_000_000))).toThrow(/deeper than 512/);
    expect(() => readJson('[[1]]', { maxDepth: 1 })).toThrow(/deeper than 1 /);
    expect(readJson(`${'['.repeat(512)}${']'.repeat(512)}`)).toBeInstanceOf(Array);
    const loop: unknown[] = [];
    loop.push(loop);
    expect(() => writeJson(loop)).toThrow(/nested deeper/);
  });
});
