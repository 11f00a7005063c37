// How many blocks and windows a runner gets: given sizes, a share of kvBytes, or a default that suits one machine's memory.
import { type KvCapacity, MimoError, type RunnerOptions } from '@mimokit/protocol';
import type { KvGeometry } from './kv.ts';

const defaultBlockBytes = 64 * 1024 * 1024;
const defaultWindowBytes = 16 * 1024 * 1024;

/** Sizes from the options. Throws `kv-too-small` when kvBytes holds not even one block and one window. */
export function chooseCapacity(
  options: RunnerOptions,
  geometry: KvGeometry,
  contextLength: number,
  blockTokens: number,
): KvCapacity {
  const { blockBytes, windowBytes } = geometry;
  const wholeContext = Math.ceil(contextLength / blockTokens);
  const fits = (bytes: number, each: number): number =>
    each === 0 ? Number.MAX_SAFE_INTEGER : Math.floor(bytes / each);
  if (options.kvBytes !== undefined && options.blocks === undefined && options.windows === undefined) {
    const { kvBytes } = options;
    // A quarter for windows: live sequences and kept prefixes each need one, but blocks decide how long they may get.
    const windows = Math.max(1, Math.min(64, fits(kvBytes / 4, windowBytes)));
    const blocks = Math.min(fits(kvBytes - windows * windowBytes, blockBytes), wholeContext * windows);
    if (blocks < 1) {
      const needed = blockBytes + windowBytes;
      throw new MimoError('kv-too-small', `kvBytes is ${kvBytes}; one block and one window take ${needed} bytes.`, {
        hint: `Raise kvBytes to ${needed} or more.`,
        kvBytes,
        needed,
      });
    }
    return { blockTokens, blocks, windows };
  }
  return {
    blockTokens,
    blocks: options.blocks ?? Math.max(1, Math.min(wholeContext, fits(defaultBlockBytes, blockBytes))),
    windows: options.windows ?? Math.max(4, Math.min(32, fits(defaultWindowBytes, windowBytes))),
  };
}

/** Checks the numbers of RunnerOptions. Throws `invalid-argument` naming the option. */
export function checkOptions(options: RunnerOptions, vocabSize: number): void {
  const counts = ['kvBytes', 'blocks', 'windows', 'blockTokens', 'windowKeys', 'pickableIds'] as const;
  for (const option of counts) {
    const value = options[option];
    if (value === undefined || (Number.isSafeInteger(value) && value >= 1)) continue;
    throw new MimoError('invalid-argument', `${option} is ${String(value)}; it must be a positive integer.`, {
      option,
    });
  }
  if (options.pickableIds !== undefined && options.pickableIds > vocabSize) {
    throw new MimoError(
      'invalid-argument',
      `pickableIds is ${options.pickableIds}; the vocabulary has ${vocabSize} ids.`,
      { option: 'pickableIds' },
    );
  }
  const words = { kv: ['f32', 'bf16', 'fp8'], activations: ['f32', 'fp8'] };
  for (const option of ['kv', 'activations'] as const) {
    const value = options[option];
    if (value !== undefined && !words[option].includes(value)) {
      throw new MimoError('invalid-argument', `${option} is ${String(value)}; known: ${words[option].join(', ')}.`, {
        option,
      });
    }
  }
}
