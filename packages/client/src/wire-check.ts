// Text → JSON → a checked wire shape, with errors that say which event of an answer was wrong.
import { MimoError } from '@mimokit/protocol';
import { streamError } from './http-error.ts';

/** Throws `stream-malformed`. */
export function parseWire(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new MimoError('stream-malformed', `The server sent broken JSON: ${text.slice(0, 80)}`, {
      hint: 'The server or a proxy cut the answer; send the request again.',
      cause,
    });
  }
}

export interface WireSchema<T> {
  safeParse(value: unknown): SafeParsed<T>;
}

type SafeParsed<T> =
  | { success: true; data: T }
  | { success: false; error: { issues: readonly { path: readonly PropertyKey[]; message: string }[] } };

/** Throws `http-status` for an error that came in place of the value, and `stream-malformed` naming the field. */
export function checkWire<T>(schema: WireSchema<T>, value: unknown, where: string): T {
  const failure = streamError(value);
  if (failure) throw failure;
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new MimoError(
    'stream-malformed',
    `${where}: ${issue!.path.map(String).join('.') || 'value'}: ${issue!.message}.`,
    {
      hint: 'This is no completion; check baseURL and the server.',
      path: issue!.path.map(String),
    },
  );
}
