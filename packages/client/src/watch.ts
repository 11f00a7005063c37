// One place that can stop a wait: the caller's signal, leaving the loop, or a deadline. Works with a fetch that ignores
// its signal.
import { MimoError } from '@mimokit/protocol';

type Phase = 'connect' | 'first token' | 'idle' | 'tool';

export interface Watch {
  readonly signal: AbortSignal;
  /** Starts the clock of `phase`, replacing a running one of the same phase. */
  arm(phase: Phase, deadlineMs: number): void;
  disarm(phase: Phase): void;
  /** The promise, or a rejection with the reason as soon as something stops. One at a time. */
  guard<T>(promise: PromiseLike<T>): Promise<T>;
  /** Ends all clocks and listeners; without `keep`, also aborts `signal`. */
  close(): void;
}

/** `signals` stop it with their own reason, a deadline with `http-timeout` naming its phase. */
export function createWatch(signals: readonly (AbortSignal | undefined)[]): Watch {
  const controller = new AbortController();
  const clocks = new Map<Phase, ReturnType<typeof setTimeout>>();
  const listeners: (() => void)[] = [];
  let rejectWaiting: ((reason: unknown) => void) | undefined;

  function stop(reason: unknown): void {
    controller.abort(reason);
    rejectWaiting?.(reason);
  }
  for (const signal of signals) {
    if (signal === undefined) continue;
    if (signal.aborted) {
      stop(signal.reason);
      break;
    }
    const listener = (): void => stop(signal.reason);
    signal.addEventListener('abort', listener, { once: true });
    listeners.push(() => signal.removeEventListener('abort', listener));
  }
  function disarm(phase: Phase): void {
    clearTimeout(clocks.get(phase));
    clocks.delete(phase);
  }
  return {
    signal: controller.signal,
    arm(phase, deadlineMs) {
      disarm(phase);
      // Beyond this setTimeout would fire at once.
      if (deadlineMs > 0x7fffffff || controller.signal.aborted) return;
      const expire = (): void =>
        stop(
          new MimoError('http-timeout', `No ${waitedFor[phase]} within ${deadlineMs} ms.`, {
            hint: `Raise timeouts.${optionOf[phase]} or check the server's load.`,
            phase,
            deadlineMs,
          }),
        );
      clocks.set(phase, setTimeout(expire, deadlineMs));
    },
    disarm,
    guard<T>(promise: PromiseLike<T>) {
      return new Promise<T>((resolve, reject) => {
        promise.then(resolve, reject);
        if (controller.signal.aborted) reject(controller.signal.reason);
        rejectWaiting = reject;
      });
    },
    close() {
      for (const clock of clocks.values()) clearTimeout(clock);
      clocks.clear();
      for (const remove of listeners) remove();
      rejectWaiting = undefined;
      if (!controller.signal.aborted) controller.abort(new MimoError('aborted', 'The exchange was closed.'));
    },
  };
}

const waitedFor: Readonly<Record<Phase, string>> = {
  connect: 'response headers',
  'first token': 'first token',
  idle: 'data',
  tool: 'result',
};
const optionOf: Readonly<Record<Phase, string>> = {
  connect: 'connectMs',
  'first token': 'firstTokenMs',
  idle: 'idleMs',
  tool: 'toolMs',
};
