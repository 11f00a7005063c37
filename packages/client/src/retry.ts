// Which failures are worth another try, and how long to wait first.
import { isMimoError } from '@mimokit/protocol';

export interface RetryPolicy {
  /** Tries after the first; 0 = none. */
  retries: number;
  /** Wait before the first retry; it doubles with each. */
  baseMs: number;
  /** Longest wait that is done without asking; a longer Retry-After is an error at once. */
  maxMs: number;
}

export const defaultRetry: Readonly<RetryPolicy> = { retries: 3, baseMs: 500, maxMs: 30_000 };

const retryable = new Set([408, 429, 500, 502, 503, 504]);

/**
 * Milliseconds to wait before retry number `attempt` (from 1), or undefined when the error stands. Only failures before
 * the first byte of an answer get here. The server's Retry-After counts; else base · 2^(attempt-1), of which the upper
 * half is random so that clients do not come back in step. `random` lies in [0, 1).
 */
export function retryWaitMs(error: unknown, attempt: number, policy: RetryPolicy, random: number): number | undefined {
  if (attempt > policy.retries) return undefined;
  if (isMimoError(error, 'http-status')) {
    if (!retryable.has(Number(error.details['status']))) return undefined;
    const asked = error.details['retryAfterMs'];
    if (typeof asked === 'number') return asked <= policy.maxMs ? asked : undefined;
  } else if (!isMimoError(error, 'http-network') && !isMimoError(error, 'http-timeout')) return undefined;
  const ceiling = Math.min(policy.maxMs, policy.baseMs * 2 ** (attempt - 1));
  return ceiling / 2 + (ceiling / 2) * random;
}

/** Retry-After in milliseconds: `retry-after-ms`, or seconds, or an HTTP date relative to `nowMs`. */
export function readRetryAfter(headers: Headers, nowMs: number): number | undefined {
  const exact = Number(headers.get('retry-after-ms') ?? Number.NaN);
  if (exact >= 0) return exact;
  const text = headers.get('retry-after')?.trim();
  if (!text) return undefined;
  const seconds = Number(text);
  // Date.parse takes '-5' for a year.
  if (!Number.isNaN(seconds)) return seconds >= 0 ? seconds * 1000 : undefined;
  const date = Date.parse(text);
  return Number.isNaN(date) ? undefined : Math.max(0, date - nowMs);
}
