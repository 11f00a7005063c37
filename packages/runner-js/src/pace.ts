// Giving the event loop a turn while long arithmetic runs on it. A macrotask, not a microtask: timers, I/O and rendering
// must get their chance.

export class Pace {
  readonly #sliceMs: number;
  #since: number;

  constructor(sliceMs = 8) {
    this.#sliceMs = sliceMs;
    this.#since = performance.now();
  }

  /** Returns at once, or after a turn of the event loop when the last one is more than a slice ago. */
  async rest(): Promise<void> {
    if (performance.now() - this.#since < this.#sliceMs) return;
    await nextTurn();
    this.#since = performance.now();
  }
}

// A message to oneself comes without the minimum delay that timers have.
function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.addEventListener(
      'message',
      () => {
        port1.close();
        resolve();
      },
      { once: true },
    );
    port1.start();
    port2.postMessage(null);
  });
}
