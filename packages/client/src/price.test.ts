import { expect, test } from 'vitest';
import { costOf, prices } from './price.ts';

const flash = prices['mimo-v2-flash'];

test('cached prompt tokens cost their own price, reasoning is part of the output', () => {
  const usage = {
    promptTokens: 3_000_000,
    cachedTokens: 1_000_000,
    completionTokens: 2_000_000,
    reasoningTokens: 500_000,
  };
  const cost = costOf(usage, flash);
  expect(cost.currency).toBe('USD');
  expect(cost.input).toBeCloseTo(0.2, 12);
  expect(cost.cached).toBeCloseTo(0.01, 12);
  expect(cost.output).toBeCloseTo(0.6, 12);
  expect(cost.reasoning).toBeCloseTo(0.15, 12);
  expect(cost.total).toBeCloseTo(0.81, 12);
});

test('a server that reports more cached than prompt tokens never makes the input negative', () => {
  const cost = costOf({ promptTokens: 10, cachedTokens: 20, completionTokens: 0, reasoningTokens: 0 }, flash);
  expect(cost.input).toBe(0);
  expect(cost.total).toBeCloseTo(1e-7, 15);
});

test.each([Number.NaN, -1, Infinity])('a price of %d is refused by name', (input) => {
  const usage = { promptTokens: 1, cachedTokens: 0, completionTokens: 1, reasoningTokens: 0 };
  expect(() => costOf(usage, { ...flash, input })).toThrow(expect.objectContaining({ details: { field: 'input' } }));
});
