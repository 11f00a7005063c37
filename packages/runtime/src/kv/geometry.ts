// Sizes of key-value memory: positions, blocks and windows in bytes. Pure arithmetic over what the runner reports;
// layer counts, head dimensions and rings stay the runner's business.
import type { KvCapacity, ModelInfo } from '@mimokit/protocol';

/** What one request needs when it runs alone. */
export interface KvNeed {
  /** Positions it can write at most: prompt and answer, without the last id, which is never run. */
  positions: number;
  blocks: number;
  /** Its blocks and its one window. */
  bytes: number;
}

/** Blocks that cover `positions` positions. */
export function blocksFor(positions: number, blockTokens: number): number {
  return Math.ceil(positions / blockTokens);
}

/** Positions, blocks and bytes of a request with `promptTokens` ids that may emit `maxTokens` more. */
export function needOf(info: ModelInfo, blockTokens: number, promptTokens: number, maxTokens: number): KvNeed {
  const positions = promptTokens + maxTokens - 1;
  const blocks = blocksFor(positions, blockTokens);
  return { positions, blocks, bytes: blocks * info.blockBytes + info.windowBytes };
}

/** Ids a prompt of `promptTokens` may emit at most before the block pool is exhausted. */
export function largestAnswer(capacity: KvCapacity, promptTokens: number): number {
  return capacity.blocks * capacity.blockTokens - promptTokens + 1;
}

/** Bytes of the whole pools. */
export function poolBytes(info: ModelInfo, capacity: KvCapacity): number {
  return capacity.blocks * info.blockBytes + capacity.windows * info.windowBytes;
}

/** Bytes as people read them: `1.5 GiB`. Rounded up in the last digit, so that the advice "at least" stays true. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  const digits = unit === 0 || Number.isInteger(value) ? 0 : 1;
  return `${(Math.ceil(value * 10 ** digits) / 10 ** digits).toFixed(digits)} ${units[unit]}`;
}
