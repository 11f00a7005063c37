// Biases of q, k and v through the whole forward pass and the MTP heads, against logits computed in float64; and the answers to
// changed checkpoints, which are those of every runner.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { attentionBiasGolden, checkpointEdits, editedFiles } from '@mimokit/fixtures';
import { isMimoError } from '@mimokit/protocol';
import { expect, test } from 'vitest';
import { openNativeRunner } from '../src/index.ts';

async function inFolder<T>(files: ReadonlyMap<string, Uint8Array>, use: (directory: string) => Promise<T>): Promise<T> {
  const directory = mkdtempSync(join(tmpdir(), 'mimokit-kernels-'));
  try {
    for (const [name, bytes] of files) writeFileSync(join(directory, name), bytes);
    return await use(directory);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

test('a model with attention_bias gives the golden logits', async () => {
  const { files, ids, taps } = attentionBiasGolden();
  const found = await inFolder(files, async (directory) => {
    await using runner = await openNativeRunner(directory, { blocks: 4, windows: 1 });
    return runner.inspect(ids, [...taps.keys()]);
  });
  for (const [tap, expected] of taps) {
    const largest = expected.reduce((most, value, at) => Math.max(most, Math.abs(value - found[tap]!.data[at]!)), 0);
    expect(largest, tap).toBeLessThan(1e-4);
  }
});

test.each(checkpointEdits())('$name: $code', async (edit) => {
  const answer = await inFolder(editedFiles(edit), async (directory) => {
    try {
      await using runner = await openNativeRunner(directory, { blocks: 4, windows: 1 });
      return { code: runner.maxDraft >= 0 ? 'ok' : '', text: '' };
    } catch (error) {
      if (!isMimoError(error)) throw error;
      return { code: error.code as string, text: `${error.message} ${JSON.stringify(error.details)}` };
    }
  });
  expect(answer).toEqual({ code: edit.code, text: expect.stringContaining(edit.field ?? '') });
});
