// Bytes → text, cut anywhere, valid UTF-8 or an error.
import { MimoError } from '@mimokit/protocol';

export interface Utf8Decoder {
  /** Without bytes: the end. */
  decode(bytes?: Uint8Array): string;
}

/**
 * Throws `stream-malformed`. Replacement characters would change reasoning silently, and with it what goes back to the
 * server.
 */
export function createUtf8Decoder(what: 'answer' | 'stream'): Utf8Decoder {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  return {
    decode(bytes) {
      try {
        return bytes ? decoder.decode(bytes, { stream: true }) : decoder.decode();
      } catch (cause) {
        throw new MimoError('stream-malformed', `The ${what} is not valid UTF-8.`, {
          hint: 'The server cut a character in two or sent binary data; check it with curl.',
          cause,
        });
      }
    },
  };
}
