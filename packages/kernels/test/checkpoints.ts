// Broken checkpoints for tests: copies of the tiny models in which one thing is wrong.
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fixturePath } from '@mimokit/fixtures';

export interface HeaderEntry {
  dtype: string;
  shape: number[];
  data_offsets: [number, number];
}

/** A copy of a tiny model, changed by `change`; the folder goes when the callback is done. */
export async function withCopy(
  model: string,
  change: (directory: string) => void,
  use: (directory: string) => Promise<void>,
): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'mimokit-checkpoint-'));
  try {
    cpSync(fixturePath('models', model), directory, { recursive: true });
    change(directory);
    await use(directory);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** Rewrites the header of a safetensors file; the tensor bytes stay. */
export function changeHeader(path: string, change: (header: Record<string, HeaderEntry>) => void): void {
  const file = readFileSync(path);
  const length = Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.toString('utf8', 8, 8 + length)) as Record<string, HeaderEntry>;
  change(header);
  const text = Buffer.from(JSON.stringify(header));
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(text.length));
  writeFileSync(path, Buffer.concat([size, text, file.subarray(8 + length)]));
}

export function changeConfig(directory: string, change: (config: Record<string, unknown>) => void): void {
  const path = join(directory, 'config.json');
  const config = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
  change(config);
  writeFileSync(path, JSON.stringify(config));
}
