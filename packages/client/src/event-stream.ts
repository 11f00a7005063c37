// A stream of events that runs once, on whoever asks first: a for-await loop, or the promise of its result.
import { MimoError } from '@mimokit/protocol';

export interface EventStream<Event, Result> extends AsyncIterable<Event> {
  /** Runs the stream to its end, or joins a running one. */
  result(): Promise<Result>;
}

/**
 * `run` is called when somebody asks, hands its result to `settle` before its last event, and stops when `left` aborts.
 * Leaving the loop aborts `left`; the result then rejects with `aborted`, unless it was settled before.
 */
export function createEventStream<Event, Result>(
  run: (left: AbortSignal, settle: (result: Result) => void) => AsyncGenerator<Event, void>,
): EventStream<Event, Result> {
  const leaving = new AbortController();
  let resolve: (result: Result) => void = () => undefined;
  let reject: (error: unknown) => void = () => undefined;
  const outcome = new Promise<Result>((...both) => {
    [resolve, reject] = both;
  });
  // Who only iterates sees the error in the loop; the promise must not count as unhandled.
  outcome.catch(() => undefined);
  let source: AsyncGenerator<Event, void> | undefined;

  function start(): AsyncGenerator<Event, void> {
    source = run(leaving.signal, resolve);
    return source;
  }
  async function pull(from: AsyncGenerator<Event, void>): Promise<IteratorResult<Event, void>> {
    try {
      const next = await from.next();
      if (next.done) reject(leftError());
      return next;
    } catch (error) {
      reject(error);
      throw error;
    }
  }
  return {
    [Symbol.asyncIterator]() {
      if (source) {
        throw new MimoError('invalid-argument', 'This stream was read already.', {
          hint: 'A stream runs once; call chat again, or keep the events.',
        });
      }
      const own = start();
      return {
        next: () => pull(own),
        async return() {
          leaving.abort(leftError());
          reject(leftError());
          await own.return();
          return { done: true, value: undefined };
        },
      };
    },
    async result() {
      if (!source) {
        const own = start();
        while (!(await pull(own)).done);
      }
      return outcome;
    },
  };
}

function leftError(): MimoError {
  return new MimoError('aborted', 'The stream was left before its end.', {
    hint: 'Read it to the end for its result.',
  });
}
