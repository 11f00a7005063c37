// The mock runner as something that can be lost, in this process: what comes back has an empty memory and throws when a row
// counts on the old one.
import { MimoError, type RunnerOptions } from '@mimokit/protocol';
import type { LosableRunner } from '../src/process.ts';
import { type MockOptions, MockRunner } from '../src/testing/index.ts';

export interface Fragile {
  open(directory: string, options?: RunnerOptions): Promise<LosableRunner>;
  /** Loses the runner that is there now. */
  lose(): void;
  opened: number;
}

/** `beforeStep` may call `lose` to lose the runner in the middle of a step; `failsToOpen` says which openings fail. */
export function fragile(options: MockOptions = {}, failsToOpen: (opening: number) => boolean = () => false): Fragile {
  const self: Fragile = { open, lose: () => {}, opened: 0 };
  return self;

  async function open(_: string, { blocks, windows, blockTokens }: RunnerOptions = {}): Promise<LosableRunner> {
    if (failsToOpen(++self.opened)) throw new MimoError('checkpoint-missing-file', 'The disk is gone.');
    const size = {
      ...(blocks !== undefined && { blocks }),
      ...(windows !== undefined && { windows }),
      ...(blockTokens !== undefined && { blockTokens }),
    };
    const mock = new MockRunner({ ...options, ...size });
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
    };
    return {
      info: mock.info,
      capacity: mock.capacity,
      maxDraft: mock.maxDraft,
      get isLost() {
        return isLost;
      },
      lost,
      step: (batch) =>
        new Promise((resolve, fail) => {
          if (isLost) return fail(gone);
          reject = fail;
          mock.step(batch).then(resolve, fail);
        }),
      inspect: async () => ({}),
      dispose: () => mock.dispose(),
    };
  }
}
