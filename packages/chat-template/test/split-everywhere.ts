// Feeds a text to the parser in pieces: at every single split point, and one code unit at a time.
import type { AssistantMessage, StreamEvent } from '@mimokit/protocol';
import { createParser, type ParserOptions } from '../src/index.ts';

export interface SplitResult {
  message: AssistantMessage;
  events: StreamEvent[];
}

/** The result of feeding these pieces, with ids that count from 0. */
export function parsePieces(pieces: Iterable<string>, options: ParserOptions): SplitResult {
  let count = 0;
  const parser = createParser({ ...options, nextId: () => `call_${count++}` });
  const events: StreamEvent[] = [];
  for (const piece of pieces) events.push(...parser.push(piece));
  const end = parser.end();
  return { message: end.message, events: eventsOf([...events, ...end.events]) };
}

export function* splitEverywhere(text: string, options: ParserOptions): Generator<SplitResult> {
  yield parsePieces(text.split(''), options);
  for (let at = 1; at < text.length; at++) yield parsePieces([text.slice(0, at), text.slice(at)], options);
}

/** Events with neighbouring deltas of one kind joined: what must not depend on the split. */
export function eventsOf(events: readonly StreamEvent[]): StreamEvent[] {
  const joined: StreamEvent[] = [];
  for (const event of events) {
    const last = joined.at(-1);
    if (last && 'text' in event && 'text' in last && event.type === last.type && event.type.endsWith('-delta')) {
      if (!('id' in event) || ('id' in last && event.id === last.id)) {
        joined[joined.length - 1] = { ...last, text: last.text + event.text } as StreamEvent;
        continue;
      }
    }
    joined.push(event);
  }
  return joined;
}
