// MimoError → status, and the body each API writes for it. What goes wrong is decided elsewhere; how it is said, here.
import { type ErrorCode, isMimoError, MimoError } from '@mimokit/protocol';

export type Api = 'openai' | 'anthropic';

/** A failed request as it is answered. */
export interface Failure {
  status: number;
  code: ErrorCode | 'internal';
  message: string;
  /** The request field concerned. */
  param?: string;
  retryAfterSeconds?: number;
  /** The methods that a path has. */
  allow?: string;
  /** A code that an SDK acts on. */
  errorCode?: string;
}

const statusOf: Readonly<Partial<Record<ErrorCode, number>>> = {
  aborted: 499,
  'context-overflow': 400,
  'http-network': 502,
  'http-timeout': 504,
  'invalid-argument': 400,
  'invalid-json': 400,
  'invalid-message': 400,
  'invalid-tool': 400,
  'kv-too-small': 400,
  'method-not-allowed': 405,
  'model-unknown': 404,
  'not-authorized': 401,
  'not-found': 404,
  'reasoning-missing': 400,
  'request-timeout': 408,
  'request-too-large': 413,
  'runner-disposed': 503,
  'runner-failed': 500,
  'server-busy': 429,
  'server-draining': 503,
  'token-out-of-range': 400,
};

/** Any thrown value as an answer. What is no MimoError is a fault of ours: its text stays inside. */
export function failureOf(error: unknown): Failure {
  if (!isMimoError(error)) {
    return { status: 500, code: 'internal', message: 'The server failed; its log says why.' };
  }
  const { field, status, retryAfterSeconds, errorCode, allow } = error.details;
  const failure: Failure = {
    status: upstreamStatus(error, status) ?? statusOf[error.code] ?? 500,
    code: error.code,
    message: error.hint === undefined ? error.message : `${error.message} ${error.hint}`,
  };
  if (typeof field === 'string') failure.param = field;
  if (typeof retryAfterSeconds === 'number') failure.retryAfterSeconds = retryAfterSeconds;
  if (typeof allow === 'string') failure.allow = allow;
  if (typeof errorCode === 'string') failure.errorCode = errorCode;
  return failure;
}

/** A served model may itself be a client: what the far server says of the request is passed on, its own faults are a bad gateway. */
function upstreamStatus(error: MimoError, status: unknown): number | undefined {
  if (error.code !== 'http-status') return undefined;
  if (typeof status !== 'number' || status < 400 || status > 599) return 502;
  return status === 401 || status === 403 || status === 500 ? 502 : status;
}

/** The body of a failure in the words of an API. */
export function failureBody(failure: Failure, api: Api, requestId: string): Record<string, unknown> {
  return api === 'anthropic' ? anthropicBody(failure, requestId) : openaiBody(failure);
}

function openaiBody({ status, code, message, param }: Failure): Record<string, unknown> {
  // Byte for byte what the MiMo platform answers: clients look for these words.
  if (code === 'reasoning-missing') {
    return {
      error: {
        code: '400',
        message: 'Param Incorrect',
        param: 'The reasoning_content in the thinking mode must be passed back to the API.',
        type: '',
      },
    };
  }
  return { error: { message, type: openaiType(status), param: param ?? null, code: openaiCode(code) } };
}

function openaiType(status: number): string {
  if (status === 401) return 'authentication_error';
  if (status === 429) return 'rate_limit_error';
  return status < 500 ? 'invalid_request_error' : 'server_error';
}

function openaiCode(code: Failure['code']): string {
  if (code === 'context-overflow') return 'context_length_exceeded';
  if (code === 'model-unknown') return 'model_not_found';
  if (code === 'not-authorized') return 'invalid_api_key';
  return code.replaceAll('-', '_');
}

function anthropicBody({ status, message, errorCode }: Failure, requestId: string): Record<string, unknown> {
  const details = errorCode === undefined ? {} : { details: { error_code: errorCode } };
  return { type: 'error', error: { type: anthropicType(status), message, ...details }, request_id: requestId };
}

function anthropicType(status: number): string {
  const types: Readonly<Record<number, string>> = {
    401: 'authentication_error',
    404: 'not_found_error',
    413: 'request_too_large',
    429: 'rate_limit_error',
    503: 'overloaded_error',
  };
  return types[status] ?? (status < 500 ? 'invalid_request_error' : 'api_error');
}

/** `invalid-argument` for a field of the request. */
export function badField(field: string, why: string, hint?: string): MimoError {
  return new MimoError('invalid-argument', `${field} ${why}.`, { field, ...(hint === undefined ? {} : { hint }) });
}
