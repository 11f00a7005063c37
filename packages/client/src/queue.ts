// Values pushed by many, read by one loop.

export interface Queue<T> extends AsyncIterable<T> {
  push(value: T): void;
  /** What was pushed is still read; then the loop ends. */
  close(): void;
}

export function createQueue<T>(): Queue<T> {
  const values: T[] = [];
  let closed = false;
  let wake: (() => void) | undefined;
  function notify(): void {
    wake?.();
    wake = undefined;
  }
  return {
    push(value) {
      values.push(value);
      notify();
    },
    close() {
      closed = true;
      notify();
    },
    async *[Symbol.asyncIterator]() {
      for (;;) {
        while (values.length > 0) yield values.shift()!;
        if (closed) return;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
  };
}
