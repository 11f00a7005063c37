// The one failure that is not the step's: all keys and values are gone, and the runner takes new ones. Whoever restarts a runner
// says so with this error; the engine then computes its sequences again from their tokens, and nobody sees more than a pause.
import { isMimoError, MimoError } from '@mimokit/protocol';

const mark = 'memoryLost';

/**
 * What a step rejects with. The next step may be asked for at once, with nothing committed. `inStep`: the runner was lost while it
 * ran this step, so that one of its rows may be why.
 */
export function memoryLost(cause: unknown, inStep: boolean): MimoError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new MimoError('runner-failed', `The runner was started again, its memory is gone: ${reason}`, {
    hint: 'An engine goes on by itself; without one, run the sequences again from their first token.',
    cause,
    [mark]: true,
    inStep,
  });
}

export function isMemoryLost(error: unknown): error is MimoError {
  return isMimoError(error, 'runner-failed') && error.details[mark] === true;
}
