// Bytes → server-sent events. UTF-8 must be valid and lines bounded; everything else about the format is the library's.
import { createParser, type EventSourceMessage } from 'eventsource-parser';
import { MimoError } from '@mimokit/protocol';
import { createUtf8Decoder } from './utf8.ts';

export interface SseDecoder {
  push(bytes: Uint8Array): EventSourceMessage[];
  /** An event whose closing blank line never came still counts: its line may be whole. */
  end(): EventSourceMessage[];
}

/** So that one huge chunk meets the parser's bound, which is checked between feeds. */
const sliceChars = 65_536;

/** Throws `stream-malformed` for an event over `maxChars` and for bytes that are no UTF-8. */
export function createSseDecoder(options: { maxChars: number }): SseDecoder {
  const decoder = createUtf8Decoder('stream');
  let events: EventSourceMessage[] = [];
  let overflow = false;
  const parser = createParser({
    maxBufferSize: options.maxChars,
    onEvent: (event) => events.push(event),
    onError: (error) => {
      if (error.type === 'max-buffer-size-exceeded') overflow = true;
    },
  });
  function feed(text: string): EventSourceMessage[] {
    for (let at = 0; at < text.length; at += sliceChars) {
      parser.feed(text.slice(at, at + sliceChars));
      if (overflow) {
        throw new MimoError('stream-malformed', `A stream event exceeds ${options.maxChars} characters.`, {
          hint: 'No server of chat completions writes such lines; check baseURL, or raise limits.eventChars.',
          maxChars: options.maxChars,
        });
      }
    }
    const ready = events;
    events = [];
    return ready;
  }
  return {
    push: (bytes) => feed(decoder.decode(bytes)),
    end: () => feed(`${decoder.decode()}\n\n`),
  };
}
