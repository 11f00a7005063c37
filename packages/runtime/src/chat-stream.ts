// A chat's events as a stream that runs once, on whoever asks first: a for-await loop or `message()`.
import { type AssistantMessage, type ChatStream, MimoError, type StreamEvent } from '@mimokit/protocol';

/**
 * `run` is called when somebody asks; `leave` when the reader goes before the end. An answer that was aborted or left has
 * no message: `message()` rejects with `aborted`.
 */
export function createChatStream(run: () => AsyncGenerator<StreamEvent, void>, leave: () => void): ChatStream {
  let resolve: (message: AssistantMessage) => void = () => {};
  let reject: (error: unknown) => void = () => {};
  const promise = new Promise<AssistantMessage>((...both) => {
    [resolve, reject] = both;
  });
  // Who only iterates sees the error in the loop; the promise must not count as unhandled.
  promise.catch(() => {});
  let source: AsyncGenerator<StreamEvent, void> | undefined;

  const pull = async (from: AsyncGenerator<StreamEvent, void>): Promise<IteratorResult<StreamEvent, void>> => {
    try {
      const next = await from.next();
      if (next.done === true) reject(leftError());
      else if (next.value.type === 'finish') {
        if (next.value.reason === 'aborted') reject(abortedError(next.value.message));
        else resolve(next.value.message);
      }
      return next;
    } catch (error) {
      reject(error);
      throw error;
    }
  };

  return {
    [Symbol.asyncIterator]() {
      if (source !== undefined) {
        throw new MimoError('invalid-argument', 'This stream was read already.', {
          hint: 'A stream runs once; call chat again, or keep the events.',
        });
      }
      const own = (source = run());
      return {
        next: () => pull(own),
        async return() {
          leave();
          reject(leftError());
          await own.return();
          return { done: true, value: undefined };
        },
      };
    },
    async message() {
      if (source === undefined) {
        source = run();
        try {
          while ((await pull(source)).done !== true);
        } catch {
          // The promise below has the error.
        }
      }
      return promise;
    },
  };
}

function leftError(): MimoError {
  return new MimoError('aborted', 'The stream was left before its end.', {
    hint: 'Read it to the end for its message.',
  });
}

function abortedError(partial: AssistantMessage): MimoError {
  return new MimoError('aborted', 'The request was aborted.', {
    hint: 'details.partial holds what there was.',
    partial,
  });
}
