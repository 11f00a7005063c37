// Errors of the native core: it rejects with JSON text (code, message, hint, details); here that becomes a MimoError again.
import { type ErrorCode, errorCodes, isMimoError, MimoError } from '@mimokit/protocol';

/** A MimoError for whatever the native core threw; `fallback` is the code of what it did not throw on purpose. */
function toMimoError(error: unknown, fallback: ErrorCode): unknown {
  if (!(error instanceof Error) || isMimoError(error)) return error;
  const parsed = parseFailure(error.message);
  if (parsed === undefined) return new MimoError(fallback, error.message, { cause: error });
  const { code, message, hint, details } = parsed;
  return new MimoError(code, message, { ...details, ...(hint === undefined ? {} : { hint }) });
}

/** Runs `call` and throws what it throws as a MimoError. */
export function translated<T>(fallback: ErrorCode, call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw toMimoError(error, fallback);
  }
}

/** The same for a promise; a synchronous throw rejects. */
export async function translatedAsync<T>(fallback: ErrorCode, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw toMimoError(error, fallback);
  }
}

interface Failure {
  code: ErrorCode;
  message: string;
  hint: string | undefined;
  details: Record<string, unknown>;
}

function parseFailure(text: string): Failure | undefined {
  if (!text.startsWith('{')) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null || !('code' in value) || !('message' in value)) return undefined;
    const code = errorCodes.find((known) => known === value.code);
    if (code === undefined || typeof value.message !== 'string') return undefined;
    const hint = 'hint' in value && typeof value.hint === 'string' ? value.hint : undefined;
    const details = 'details' in value && typeof value.details === 'object' ? { ...value.details } : {};
    return { code, message: value.message, hint, details };
  } catch {
    return undefined;
  }
}
