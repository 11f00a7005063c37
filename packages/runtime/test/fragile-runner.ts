// A runner as something that can be lost, in this process: what comes back has an empty memory.
import { MimoError, type ModelRunner, type RunnerOptions } from '@mimokit/protocol';
import type { LosableRunner } from '../src/process.ts';
import { type MockOptions, MockRunner } from '../src/testing/index.ts';

export interface Fragile {
  open(directory: string, options?: RunnerOptions): Promise<LosableRunner>;
  /** Loses the runner that is there now; a step in progress rejects. */
  lose(): void;
  /** How often one was opened. */
  opened: number;
}

/** Over the mock, which throws when a row counts on lost memory. `failsToOpen` says which openings fail. */
export function fragile(options: MockOptions = {}, failsToOpen: (opening: number) => boolean = () => false): Fragile {
  const runners = fragileOver(async (_, { blocks, windows, blockTokens } = {}) => {
    if (failsToOpen(runners.opened)) throw new MimoError('checkpoint-missing-file', 'The disk is gone.');
    return new MockRunner({
      ...options,
      ...(blocks !== undefined && { blocks }),
      ...(windows !== undefined && { windows }),
      ...(blockTokens !== undefined && { blockTokens }),
    });
  });
  return runners;
}

/** Over any runner. */
export function fragileOver(openInner: (directory: string, options?: RunnerOptions) => Promise<ModelRunner>): Fragile {
  const self: Fragile = { open, lose: () => {}, opened: 0 };
  return self;

  async function open(directory: string, options?: RunnerOptions): Promise<LosableRunner> {
    self.opened++;
    const inner = await openInner(directory, options);
    const gone = new MimoError('runner-failed', 'The runner was ended by SIGKILL.');
    let isLost = false;
    let reject: (error: MimoError) => void = () => {};
    let report: (error: MimoError) => void = () => {};
    const lost = new Promise<MimoError>((resolve) => {
      report = resolve;
    });
    self.lose = () => {
      isLost = true;
      reject(gone);
      report(gone);
      void inner.dispose();
    };
    return {
      info: inner.info,
      capacity: inner.capacity,
      maxDraft: inner.maxDraft,
      get isLost() {
        return isLost;
      },
      lost,
      step: (batch) =>
        new Promise((resolve, fail) => {
          if (isLost) return fail(gone);
          reject = fail;
          inner.step(batch).then(resolve, fail);
        }),
      inspect: async () => ({}),
      dispose: () => inner.dispose(),
    };
  }
}
