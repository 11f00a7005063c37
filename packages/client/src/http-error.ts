// What a failed exchange becomes: a status, a body or a broken socket → MimoError with what to do next.
import { type Message, MimoError, isMimoError } from '@mimokit/protocol';
import { readChatError } from '@mimokit/protocol/wire';
import { readRetryAfter } from './retry.ts';

const hints: Readonly<Record<number, string>> = {
  400: 'Look at the named parameter; the server could not read the request.',
  401: 'Pass a valid apiKey.',
  402: 'The account has no balance left; top it up.',
  403: 'The key may not use this model, or risk control refused the request.',
  404: 'Check model and baseURL; baseURL ends with /v1 for most servers.',
  413: 'Send fewer or shorter messages.',
  421: 'A content filter refused the text; change it.',
  422: 'Look at the named parameter; the server could not read the request.',
  429: 'Too many requests: wait, or lower the rate.',
  500: 'The server failed; its log says why.',
  503: 'The server is overloaded; try again later.',
};

/** `http-status` with status, code, type, param and retryAfterMs, or `reasoning-missing` for the platform's 400. */
export function statusError(
  response: Response,
  bodyText: string,
  messages: readonly Message[],
  nowMs: number,
): MimoError {
  const { status } = response;
  const said = readChatError(parseJson(bodyText));
  const text = said ? [said.message, said.param].filter(Boolean).join(': ') : bodyText.trim().slice(0, 200);
  const retryAfterMs = readRetryAfter(response.headers, nowMs);
  const values = {
    status,
    ...(said?.code === undefined ? {} : { serverCode: said.code }),
    ...(said?.type === undefined ? {} : { serverType: said.type }),
    ...(said?.param === undefined ? {} : { param: said.param }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  };
  if (status === 400 && text.includes('reasoning_content') && text.includes('passed back')) {
    const at = messages.flatMap((one, index) => (lacksReasoning(one) ? [index] : []));
    const where = at.length > 0 ? `messages ${at.join(', ')} have tool calls but no reasoning` : text;
    return new MimoError('reasoning-missing', `The server wants the reasoning of earlier turns back: ${where}.`, {
      hint: 'Send every assistant message back as it came, reasoning included; runTools does.',
      ...values,
      messages: at,
    });
  }
  if (status >= 300 && status < 400) {
    return new MimoError(
      'http-status',
      `HTTP ${status}: the server redirects to ${response.headers.get('location') ?? 'nowhere'}.`,
      {
        hint: 'Redirects are not followed, they would carry the key elsewhere; set baseURL to the final address.',
        ...values,
      },
    );
  }
  return new MimoError('http-status', `HTTP ${status}: ${text || response.statusText || 'no message'}`, {
    hint: hints[status] ?? (status >= 500 ? hints[503]! : hints[400]!),
    ...values,
  });
}

/** An error that arrived inside a stream that had begun with 200. */
export function streamError(body: unknown): MimoError | undefined {
  if (typeof body !== 'object' || body === null) return undefined;
  const announced = ('error' in body && body.error !== null) || ('object' in body && body.object === 'error');
  const said = announced ? readChatError(body) : undefined;
  if (!said) return undefined;
  const status = Number(said.code);
  return new MimoError('http-status', `The server failed in mid-stream: ${said.message || 'no message'}`, {
    hint: 'The answer is incomplete; send the request again.',
    status: status >= 400 && status < 600 ? status : 500,
    ...(said.code === undefined ? {} : { serverCode: said.code }),
    ...(said.type === undefined ? {} : { serverType: said.type }),
    ...(said.param === undefined ? {} : { param: said.param }),
  });
}

/** `http-network`, or `http-timeout` when fetch's own clocks expired. A MimoError passes. */
export function networkError(cause: unknown, where: string): MimoError {
  if (isMimoError(cause)) return cause;
  const code = systemCode(cause);
  if (code.startsWith('UND_ERR_') && code.endsWith('_TIMEOUT')) {
    return new MimoError('http-timeout', `${where}: fetch gave up waiting (${code}).`, {
      hint: "These are the clocks of Node's own fetch; pass a fetch with longer ones.",
      phase:
        code === 'UND_ERR_CONNECT_TIMEOUT' ? 'connect' : code === 'UND_ERR_HEADERS_TIMEOUT' ? 'first token' : 'idle',
      cause,
    });
  }
  const why = code || (cause instanceof Error ? cause.message : String(cause));
  return new MimoError('http-network', `${where}: ${why}`, {
    hint: 'Check that the server runs and that baseURL points to it.',
    ...(code === '' ? {} : { systemCode: code }),
    cause,
  });
}

function systemCode(error: unknown): string {
  for (let at: unknown = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth++) {
    if ('code' in at && typeof at.code === 'string') return at.code;
  }
  return '';
}

function lacksReasoning(message: Message): boolean {
  return message.role === 'assistant' && message.reasoning === undefined && (message.toolCalls?.length ?? 0) > 0;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
