// Which failures are tried again, and after how long.
import { MimoError } from '@mimokit/protocol';
import { expect, test } from 'vitest';
import { defaultRetry, readRetryAfter, retryWaitMs } from './retry.ts';

const status = (code: number, retryAfterMs?: number): MimoError =>
  new MimoError('http-status', '', { status: code, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) });

test('the wait doubles up to the longest one, and its upper half is random', () => {
  const policy = { retries: 10, baseMs: 100, maxMs: 1000 };
  const waits = (random: number): unknown[] =>
    [1, 2, 3, 4, 5].map((attempt) => retryWaitMs(status(503), attempt, policy, random));
  expect(waits(0)).toEqual([50, 100, 200, 400, 500]);
  expect(waits(0.5)).toEqual([75, 150, 300, 600, 750]);
});

test('the server decides when it says so, within reason', () => {
  expect(retryWaitMs(status(429, 1234), 1, defaultRetry, 0.5)).toBe(1234);
  expect(retryWaitMs(status(429, defaultRetry.maxMs + 1), 1, defaultRetry, 0.5)).toBeUndefined();
});

test('only failures that may pass are tried again, and only so often', () => {
  const tried = [408, 429, 500, 502, 503, 504];
  for (let code = 400; code < 600; code++) {
    expect([code, retryWaitMs(status(code), 1, defaultRetry, 0) !== undefined]).toEqual([code, tried.includes(code)]);
  }
  expect(retryWaitMs(new MimoError('http-network', ''), 1, defaultRetry, 0)).toBe(250);
  expect(retryWaitMs(new MimoError('http-timeout', ''), 1, defaultRetry, 0)).toBe(250);
  expect(retryWaitMs(new MimoError('reasoning-missing', ''), 1, defaultRetry, 0)).toBeUndefined();
  expect(retryWaitMs(new Error('bug'), 1, defaultRetry, 0)).toBeUndefined();
  expect(retryWaitMs(status(503), defaultRetry.retries + 1, defaultRetry, 0)).toBeUndefined();
});

test('Retry-After is read as milliseconds, seconds or a date', () => {
  const now = Date.parse('Tue, 24 Nov 2026 12:00:00 GMT');
  const read = (headers: Record<string, string>): unknown => readRetryAfter(new Headers(headers), now);
  expect(read({ 'retry-after': '2' })).toBe(2000);
  expect(read({ 'retry-after': '0.5' })).toBe(500);
  expect(read({ 'retry-after': '9', 'retry-after-ms': '12' })).toBe(12);
  expect(read({ 'retry-after': 'Tue, 24 Nov 2026 12:00:03 GMT' })).toBe(3000);
  expect(read({ 'retry-after': 'Tue, 24 Nov 2026 11:00:00 GMT' })).toBe(0);
  expect(read({ 'retry-after': 'soon' })).toBeUndefined();
  expect(read({ 'retry-after': '-5' })).toBeUndefined();
  expect(read({})).toBeUndefined();
});
