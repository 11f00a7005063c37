import { describe, expect, test } from 'vitest';
import { convertValue, ToolRules } from './tool-arguments.ts';

/** JSON text of `raw` as a parameter of this schema, with `!` where it does not fit. */
function typed(schema: unknown, raw: string, root: Record<string, unknown> = {}): string {
  const rules = new ToolRules({ name: 'f', parameters: { ...root, properties: { p: schema } } });
  const { json, fits } = convertValue(raw, rules.rule('p'));
  return fits ? json : `!${json}`;
}

describe('a string stays as it is', () => {
  test.each(['null', 'None', '5', 'true', '', ' x ', '&lt;', '{"a":1}'])('%j', (raw) => {
    expect(typed({ type: 'string' }, raw)).toBe(JSON.stringify(raw));
  });
});

describe('integers', () => {
  test.each([
    [' +12\n', '12'],
    ['-007', '-7'],
    ['-0', '0'],
    ['12345678901234567890123', '12345678901234567890123'],
    ['5.0', '5'],
    ['1e3', '1000'],
    ['12345678901234567890.0', '12345678901234567890'],
    ['1.5e1', '15'],
    ['5.5', '!"5.5"'],
    ['five', '!"five"'],
    ['', '!""'],
    ['1e400', '!"1e400"'],
    ['٣', '!"٣"'],
    ['None', '!null'],
  ])('%j becomes %s', (raw, json) => expect(typed({ type: 'integer' }, raw)).toBe(json));
});

describe('numbers keep how they are written', () => {
  test.each([
    ['1e-07', '1e-07'],
    ['3.0', '3.0'],
    ['3', '3'],
    ['.5', '0.5'],
    ['5.', '5.0'],
    ['+1.50', '1.50'],
    ['1.e5', '1e5'],
    ['NaN', '!"NaN"'],
    ['Infinity', '!"Infinity"'],
    ['1_000', '!"1_000"'],
  ])('%j becomes %s', (raw, json) => expect(typed({ type: 'number' }, raw)).toBe(json));
});

describe('booleans', () => {
  test.each([
    ['TRUE', 'true'],
    [' False ', 'false'],
    ['yes', '!"yes"'],
    ['1', '!"1"'],
  ])('%j becomes %s', (raw, json) => expect(typed({ type: 'boolean' }, raw)).toBe(json));
});

describe('containers', () => {
  test.each([
    ['{"a": 1.0, "10": 2}', '{"a":1.0,"10":2}'],
    ["{'a': True, 'b': None, 'c': 'it\\'s'}", '{"a":true,"b":null,"c":"it\'s"}'],
    ['{1: "x", None: 2, True: 3, 1.5: 4}', '{"1":"x","null":2,"true":3,"1.5":4}'],
    ["{'a': (1, (2,), ())}", '{"a":[1,[2],[]]}'],
    ["{'a': 'x' \"y\", 'b': r'\\n', 'c': '\\x41\\u00e9\\101', }", '{"a":"xy","b":"\\\\n","c":"AéA"}'],
    ["{'a': [0x1F, 0o17, 1_000, -1.50, 1e5, 5.]}", '{"a":[31,15,1000,-1.5,100000.0,5.0]}'],
    ["{'a': +}", '!"{\'a\': +}"'],
    ["{'a': 007}", '!"{\'a\': 007}"'],
    ['{a: 1}', '!"{a: 1}"'],
    ["{'a', 'b'}", "!\"{'a', 'b'}\""],
    ["{'a': __import__('os')}", "!\"{'a': __import__('os')}\""],
    ['{"a": NaN}', '!"{\\"a\\": NaN}"'],
    ['5', '!"5"'],
    ['[1]', '![1]'],
  ])('%j becomes %s', (raw, json) => expect(typed({ type: 'object' }, raw)).toBe(json));

  test('nesting beyond the bound stays a string instead of overflowing', () => {
    for (const raw of [
      '['.repeat(100_000),
      `${'['.repeat(100_000)}${']'.repeat(100_000)}`,
      "{'a':".repeat(50_000),
      '('.repeat(100_000),
    ]) {
      expect(typed({ type: 'array' }, raw)).toBe(`!${JSON.stringify(raw)}`);
    }
  });
});

describe('unions', () => {
  test.each([
    [{ type: ['string', 'null'] }, 'None', 'null'],
    [{ type: ['string', 'null'] }, 'none', '"none"'],
    [{ type: ['integer', 'string'] }, '5', '"5"'],
    [{ type: ['boolean', 'integer'] }, 'true', 'true'],
    [{ type: ['string', 'array'] }, '["a", 1]', '["a",1]'],
    [{ type: ['string', 'array'] }, '{"a": 1}', '"{\\"a\\": 1}"'],
    [{ anyOf: [{ type: 'integer' }, { type: 'null' }] }, '10', '10'],
    [{ oneOf: [{ const: 1 }, { const: 2 }] }, '2', '2'],
  ])('%j reads %j as %s', (schema, raw, json) => expect(typed(schema, raw)).toBe(json));
});

describe('enum and const without a type', () => {
  test.each([
    ['3', '3'],
    ['deep', '"deep"'],
    ['True', 'true'],
    ['None', 'null'],
    ['other', '!"other"'],
  ])('%j becomes %s', (raw, json) => expect(typed({ enum: ['deep', 3, true, null] }, raw)).toBe(json));
});

test('a local $ref is followed, a circular one ends', () => {
  expect(typed({ $ref: '#/$defs/P' }, '{"x": 1.5}', { $defs: { P: { type: 'object' } } })).toBe('{"x":1.5}');
  expect(typed({ $ref: '#/properties/p' }, '5')).toBe('"5"');
});

test('undeclared keys are strings, or what additionalProperties says', () => {
  const plain = new ToolRules({ name: 'f', parameters: { properties: {} } });
  expect(convertValue('7', plain.rule('x')).json).toBe('"7"');
  expect(convertValue('7', plain.rule('constructor')).json).toBe('"7"');
  const typedRest = new ToolRules({ name: 'f', parameters: { additionalProperties: { type: 'int' } } });
  expect(convertValue('7', typedRest.rule('x')).json).toBe('7');
});
