// Our engine over the native runner, by ids: the same calls a user of createEngine makes.
import { join } from 'node:path';
import { type NativeModelRunner, openNativeRunner } from '@mimokit/kernels';
import { createEngine, type Engine } from '@mimokit/runtime';
import type { Speaker } from './speaker.ts';

export interface OurSpeaker extends Speaker, AsyncDisposable {}

const blocks = 256;

export async function openOurs(
  directory: string,
  checkpoint: string,
  threads: number,
  activations: 'f32' | 'int8' = 'f32',
): Promise<OurSpeaker> {
  const runner: NativeModelRunner = await openNativeRunner(join(directory, checkpoint), {
    threads,
    activations,
    blocks,
    windows: 8,
  });
  const engine: Engine = createEngine({ runner, tokenBudget: 2048 });
  let prefix: readonly number[] = [];
  let asked = 0;
  /** Milliseconds to the first id and from there to the last. Each in a namespace, so that only what is meant to be cached is. */
  const run = async (ids: readonly number[], maxTokens: number, namespace: string): Promise<[number, number]> => {
    const from = performance.now();
    let first = 0;
    let last = from;
    for await (const event of engine.generate({ ids, maxTokens, ignoreEos: true, namespace })) {
      if (event.type !== 'tokens') continue;
      last = performance.now();
      first ||= last;
    }
    return [first - from, last - first];
  };
  return {
    name: activations === 'int8' ? `${checkpoint}, INT8` : checkpoint,
    threads,
    prefill: async (ids) => (await run(ids, 1, `prompt ${++asked}`))[0],
    decode: async (ids, count) => (await run(ids, count + 1, `decode ${++asked}`))[1] / count,
    async remember(ids) {
      prefix = ids;
      await run(ids, 1, 'prefix');
    },
    first: async (question) => (await run([...prefix, ...question], 1, 'prefix'))[0],
    async [Symbol.asyncDispose]() {
      await engine.dispose();
      await runner.dispose();
    },
  };
}
