// A ChatStream over a generator of events: what chat() returns in every ChatModel of this package.
import { type ChatStream, MimoError, type StreamEvent } from '@mimokit/protocol';
import { createEventStream } from './event-stream.ts';

export type FinishEvent = Extract<StreamEvent, { type: 'finish' }>;

/** `run` hands its finish event to `settle` and yields it last. `message()` rejects with `aborted` after an abort. */
export function createAnswerStream(
  run: (left: AbortSignal, settle: (finish: FinishEvent) => void) => AsyncGenerator<StreamEvent, void>,
): ChatStream {
  const events = createEventStream<StreamEvent, FinishEvent>(run);
  return {
    [Symbol.asyncIterator]: () => events[Symbol.asyncIterator](),
    async message() {
      const { message, reason } = await events.result();
      if (reason !== 'aborted') return message;
      throw new MimoError('aborted', 'The request was aborted.', {
        hint: 'details.partial holds what had arrived.',
        partial: message,
      });
    },
  };
}
