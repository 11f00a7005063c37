// One error class with a code and a hint; docs/errors.md has a row per code.

export const errorCodes = [
  'aborted',
  'batch-invalid',
  'checkpoint-malformed',
  'checkpoint-missing-file',
  'checkpoint-tensor-dtype',
  'checkpoint-tensor-missing',
  'checkpoint-tensor-shape',
  'config-invalid',
  'config-unsupported',
  'context-overflow',
  'http-network',
  'http-status',
  'http-timeout',
  'invalid-argument',
  'invalid-json',
  'invalid-message',
  'invalid-tool',
  'kv-too-small',
  'method-not-allowed',
  'model-unknown',
  'native-not-found',
  'not-authorized',
  'not-found',
  'reasoning-missing',
  'request-timeout',
  'request-too-large',
  'runner-disposed',
  'runner-failed',
  'server-busy',
  'server-draining',
  'stream-malformed',
  'token-out-of-range',
  'tokenizer-malformed',
  'tokenizer-unsupported',
  'tool-failed',
  'tool-loop-limit',
  'tool-unknown',
  'worker-failed',
] as const;

export type ErrorCode = (typeof errorCodes)[number];

export interface MimoErrorDetails {
  /** What to do next: the command or the option. */
  hint?: string;
  cause?: unknown;
  [value: string]: unknown;
}

/** Every error that MimoKit throws on purpose: `code` says what, `message` where, `hint` what to do next. */
export class MimoError extends Error {
  override readonly name = 'MimoError';
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  /** The values behind the message: file, tensor, field, sizes. */
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, message: string, details: MimoErrorDetails = {}) {
    const { hint, cause, ...values } = details;
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.hint = hint;
    this.details = values;
  }
}

/** True for a MimoError, also one from another copy of this package; with `code`, only for that code. */
export function isMimoError(error: unknown, code?: ErrorCode): error is MimoError {
  const named = error instanceof Error && error.name === 'MimoError' && 'code' in error;
  return named && (code === undefined || error.code === code);
}
