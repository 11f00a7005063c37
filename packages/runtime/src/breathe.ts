// One turn of the event loop, wherever the engine runs: a runner that answers at once must not starve everything else.

/** Resolves after other pending work of the process had its turn. Leaves no timer and no handle behind. */
export function breathe(): Promise<void> {
  return new Promise((resolve) => {
    if (typeof setImmediate === 'function') {
      setImmediate(resolve);
      return;
    }
    // Browsers: timers of nested calls are slowed down to 4 ms, messages are not.
    const { port1, port2 } = new MessageChannel();
    port1.addEventListener('message', () => {
      port1.close();
      resolve();
    });
    port1.start();
    port2.postMessage(undefined);
  });
}
