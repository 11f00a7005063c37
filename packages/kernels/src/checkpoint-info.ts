// A checkpoint without its weights: config, tensors and sizes from the headers, for `mimokit inspect` and planning.
import type { CheckpointInfo } from '@mimokit/protocol';
import { loadBinding } from './load-binding.ts';
import { translatedAsync } from './native-error.ts';

/** Reads config and headers of a checkpoint directory. Throws the checkpoint and config errors of `openNativeRunner`. */
export async function checkpointInfo(directory: string): Promise<CheckpointInfo> {
  const { checkpointInfo: read } = loadBinding();
  // The text is written by crates/mimokit_binding/src/checkpoint_info.rs; test/checkpoint-info.test.ts holds it to the type.
  return JSON.parse(await translatedAsync('checkpoint-malformed', () => read(directory))) as CheckpointInfo;
}
