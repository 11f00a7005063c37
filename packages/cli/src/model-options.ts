// The options that every command with a model shares, checked once.
import { MimoError, type RunnerOptions } from '@mimokit/protocol';

export const modelArgs = {
  model: {
    type: 'string',
    valueHint: 'DIR',
    description: 'a checkpoint folder in the hub format (default: the embedded nano)',
  },
  runner: {
    type: 'string',
    valueHint: 'cpu|js',
    description: 'native or TypeScript runner (default: native where it loads)',
  },
  activations: {
    type: 'string',
    default: 'f32',
    valueHint: 'f32|fp8|int8',
    description: 'inputs of linears; f32 is exact',
  },
  kv: { type: 'string', default: 'f32', valueHint: 'f32|bf16|fp8', description: 'storage of keys and values' },
  threads: { type: 'string', valueHint: 'N', description: 'threads of the native runner' },
} as const;

export interface ModelFlags {
  model?: string | undefined;
  runner?: string | undefined;
  activations: string;
  kv: string;
  threads?: string | undefined;
}

/** The folder a command works on: `--model`, else the embedded nano. */
export async function modelDirectory({ model }: Pick<ModelFlags, 'model'>): Promise<string> {
  if (model !== undefined) return model;
  const nano = await import('@mimokit/nano');
  return nano.modelDirectory();
}

/** `--activations`, `--kv` and `--threads` as runner options. */
export function runnerOptions({ activations, kv, threads }: ModelFlags): RunnerOptions {
  const options: RunnerOptions = {
    activations: oneOf('activations', activations, ['f32', 'fp8', 'int8']),
    kv: oneOf('kv', kv, ['f32', 'bf16', 'fp8']),
  };
  if (threads !== undefined) options.threads = wholeNumber('threads', threads, 1, 1024);
  return options;
}

/** One of a few words from the command line. */
export function oneOf<const T extends string>(name: string, value: string, allowed: readonly T[]): T {
  const found = allowed.find((each) => each === value);
  if (found !== undefined) return found;
  throw new MimoError('invalid-argument', `--${name} ${value} is not known.`, {
    hint: `Use one of: ${allowed.join(', ')}.`,
  });
}

/** A whole number from the command line, within bounds. */
export function wholeNumber(name: string, value: string, low: number, high: number): number {
  const number = Number(value);
  if (Number.isInteger(number) && number >= low && number <= high) return number;
  throw new MimoError('invalid-argument', `--${name} ${value} is not a whole number from ${low} to ${high}.`, {
    hint: `Leave --${name} out for its default.`,
  });
}
