// The child of a process runner: opens a runner by name and does what its parent asks. Ends when the parent is gone; signals
// meant for the parent's whole group are the parent's to answer.
import type { Inspector, ModelRunner, RunnerFactory } from '@mimokit/protocol';
import { type FromChild, type OpenOptions, type ToChild, toRecord } from './process-messages.ts';

let runner: (ModelRunner & Inspector) | undefined;
let isOpening = false;
/** The call in progress; disposing waits for it. */
let work: Promise<unknown> = Promise.resolve();

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});
process.on('disconnect', () => process.exit());
process.on('message', (message) => {
  // Only the parent writes to this channel.
  void handle(message as ToChild);
});

async function handle(message: ToChild): Promise<void> {
  switch (message.type) {
    case 'open': {
      if (isOpening) return;
      isOpening = true;
      await open(message.module, message.name, message.directory, message.options);
      return;
    }
    case 'step':
      return answer(message.call, () => runner!.step(message.batch));
    case 'inspect':
      return answer(message.call, () => runner!.inspect(message.ids, message.taps));
    case 'dispose': {
      await work.catch(() => {});
      await runner?.dispose();
      send({ type: 'disposed' }, leave);
    }
  }
}

async function open(module: string, name: string, directory: string, options: OpenOptions): Promise<void> {
  try {
    const exports = (await import(module)) as Readonly<Record<string, unknown>>;
    const factory = exports[name];
    if (typeof factory !== 'function') throw new TypeError(`${module} exports no function ${name}.`);
    const onProgress = (loadedBytes: number, totalBytes: number): void =>
      send({ type: 'progress', loadedBytes, totalBytes });
    runner = await (factory as RunnerFactory)(directory, { ...options, onProgress });
    const { info, capacity, maxDraft } = runner;
    send({ type: 'opened', info: { ...info }, capacity: { ...capacity }, maxDraft });
  } catch (error) {
    send({ type: 'refused', error: toRecord(error) }, leave);
  }
}

async function answer(call: number, run: () => Promise<unknown>): Promise<void> {
  const own = run();
  work = own;
  try {
    send({ type: 'answer', call, value: await own });
  } catch (error) {
    send({ type: 'rejected', call, error: toRecord(error) });
  }
}

function send(message: FromChild, written: () => void = () => {}): void {
  // Without a parent nobody listens, and 'disconnect' ends this process.
  if (process.connected) process.send!(message, written);
}

function leave(): void {
  if (process.connected) process.disconnect();
}
