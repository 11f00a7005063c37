// The runner over a checkpoint directory, for Node.js.
import { open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type CheckpointInfo, MimoError, type RunnerFactory } from '@mimokit/protocol';
import type { CheckpointFiles } from './checkpoint.ts';
import { readCheckpointInfo } from './checkpoint-info.ts';
import { createJsRunner } from './runner.ts';

/** Opens a checkpoint directory in the hub's format: config.json and *.safetensors, with or without an index. */
export const jsRunner: RunnerFactory = async (directory, options) =>
  createJsRunner(await filesInDirectory(directory), options);

/** Config, tensors and sizes of a checkpoint directory from its headers; no weight is read. */
export async function checkpointInfo(directory: string): Promise<CheckpointInfo> {
  return readCheckpointInfo(await filesInDirectory(directory));
}

/** The JSON and safetensors files of a directory; bytes are read when they are asked for. */
export async function filesInDirectory(directory: string): Promise<CheckpointFiles> {
  const sizes = new Map<string, number>();
  try {
    for (const name of await readdir(directory)) {
      if (!name.endsWith('.json') && !name.endsWith('.safetensors')) continue;
      const found = await stat(join(directory, name));
      if (found.isFile()) sizes.set(name, found.size);
    }
  } catch (cause) {
    throw new MimoError('checkpoint-missing-file', `${directory} cannot be read as a directory.`, {
      hint: 'Point at a directory in the hub format: config.json and *.safetensors.',
      file: directory,
      cause,
    });
  }
  return {
    sizes,
    read: async (name, start, end) => {
      const file = await open(join(directory, name));
      try {
        const bytes = new Uint8Array(end - start);
        let filled = 0;
        // The system may give less than asked for, above all beyond 2 GiB.
        while (filled < bytes.length) {
          const { bytesRead } = await file.read(
            bytes,
            filled,
            Math.min(bytes.length - filled, 1 << 30),
            start + filled,
          );
          if (bytesRead === 0) break;
          filled += bytesRead;
        }
        return bytes.subarray(0, filled);
      } finally {
        await file.close();
      }
    },
  };
}
