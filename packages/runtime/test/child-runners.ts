// Factories that a child process opens: the mock runner, and ways to fail. Imported by children, by file URL.
import { MimoError, type RunnerFactory } from '@mimokit/protocol';
import { MockRunner } from '../src/testing/index.ts';

/** The mock with the pools asked for; a step takes a moment, so that a test can come in between. */
export const mock: RunnerFactory = async (directory, options = {}) => {
  const { blocks = 64, windows = 8, blockTokens = 4 } = options;
  const poison = Number(directory.split('poison=')[1] ?? -1);
  const runner = new MockRunner({
    blocks,
    windows,
    blockTokens,
    beforeStep: async (batch) => {
      if (batch.tokens.includes(poison)) process.kill(process.pid, 'SIGKILL');
      await new Promise((resolve) => setTimeout(resolve, 1));
    },
  });
  options.onProgress?.(1, 2);
  return Object.assign(runner, {
    inspect: async (ids: Int32Array, taps: readonly string[]) =>
      Object.fromEntries(taps.map((tap) => [tap, { shape: [ids.length], data: Float32Array.from(ids) }])),
  });
};

export const refusing: RunnerFactory = async (directory) => {
  throw new MimoError('checkpoint-missing-file', `${directory} has no config.json.`, {
    hint: 'Point at a checkpoint.',
    file: 'config.json',
    cause: new Error('ENOENT'),
  });
};

export const dying: RunnerFactory = () => process.exit(3);

export const hanging: RunnerFactory = () => new Promise(() => {});
