// The demonstration tools: what they compute, and how they refuse.
import { expect, test } from 'vitest';
import { runDemoTool } from './demo-tools.ts';

const now = new Date('2026-11-24T14:05:00Z');

test('the clock prints date, time, weekday and zone', () => {
  expect(runDemoTool('clock', {}, now)).toBe('2026-11-24 14:05 Tuesday, UTC');
  expect(runDemoTool('clock', { timezone: 'Asia/Tokyo' }, now)).toBe('2026-11-24 23:05 Tuesday, Asia/Tokyo');
  expect(() => runDemoTool('clock', { timezone: 'Mars/Base' }, now)).toThrow('unknown timezone Mars/Base');
});

test.each([
  ['37 * 12', '444'],
  ['(2 + 3) * 4', '20'],
  ['2^10', '1024'],
  ['15 / 100 * 80', '12'],
  ['-3 + 1', '-2'],
  ['10 / 3', '3.333333333'],
  ['sqrt(2)', '1.414213562'],
])('the calculator gives %s = %s', (expression, result) => {
  expect(runDemoTool('calculator', { expression })).toBe(result);
});

test.each(['1 / 0', 'process.exit()', 'x + 1', '', '(', '[1]', '"a" + 1'])(
  'the calculator refuses %s with a sentence',
  (expression) => {
    expect(() => runDemoTool('calculator', { expression })).toThrow(expect.objectContaining({ name: 'MimoError' }));
  },
);

test('an expression that is too long or too deep is refused, not evaluated', () => {
  expect(() => runDemoTool('calculator', { expression: `${'1 + '.repeat(400)}1` })).toThrow('too long');
  expect(() => runDemoTool('calculator', { expression: `${'- '.repeat(300)}1` })).toThrow('too deeply');
});

test.each([
  [5, 'miles', 'kilometers', '8.04672 kilometers'],
  [100, 'celsius', 'fahrenheit', '212 fahrenheit'],
  [2, 'hours', 'minutes', '120 minutes'],
  [60, 'mph', 'km/h', '96.5606 km/h'],
  [3, 'tons', 'kg', '3000 kg'],
])('%d %s in %s is %s', (value, from, to, result) => {
  expect(runDemoTool('convert_units', { value, from, to })).toBe(result);
});

test('units that do not fit are refused', () => {
  expect(() => runDemoTool('convert_units', { value: 1, from: 'miles', to: 'kilograms' })).toThrow(
    'cannot convert miles to kilograms',
  );
  expect(() => runDemoTool('convert_units', { value: 1, from: 'parsnips', to: 'm' })).toThrow('cannot convert');
  expect(() => runDemoTool('missing', {})).toThrow('no tool');
});
