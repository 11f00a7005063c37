// Bytes → id over the vocabulary: slots hold ids, the token's own bytes are the key. Built once, never changed.
import type { TokenBytes } from './token-bytes.ts';

export class TokenIndex {
  readonly #slots: Int32Array;
  readonly #mask: number;
  readonly #tokens: TokenBytes;

  /** Indexes the ids below `count` that have bytes, but for `hidden`: a word must never become a special token. */
  constructor(tokens: TokenBytes, count: number, hidden: ReadonlySet<number>) {
    let size = 1024;
    while (size < count * 1.5) size *= 2;
    this.#tokens = tokens;
    this.#slots = new Int32Array(size);
    this.#mask = size - 1;
    const { bytes, offsets } = tokens;
    for (let id = 0; id < count; id++) {
      if (offsets[id] === offsets[id + 1] || hidden.has(id)) continue;
      let slot = hashBytes(bytes, offsets[id], offsets[id + 1]) & this.#mask;
      while (this.#slots[slot] !== 0) slot = (slot + 1) & this.#mask;
      this.#slots[slot] = id + 1;
    }
  }

  /** The id whose bytes are `source[start .. end)`, or -1. */
  find(source: Uint8Array, start: number, end: number): number {
    const { bytes, offsets } = this.#tokens;
    const length = end - start;
    let slot = hashBytes(source, start, end) & this.#mask;
    for (;;) {
      const id = this.#slots[slot] - 1;
      if (id < 0) return -1;
      const from = offsets[id];
      if (offsets[id + 1] - from === length) {
        let i = 0;
        while (i < length && bytes[from + i] === source[start + i]) i++;
        if (i === length) return id;
      }
      slot = (slot + 1) & this.#mask;
    }
  }
}

function hashBytes(bytes: Uint8Array, start: number, end: number): number {
  let hash = end - start;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ bytes[i], 0x01000193) + (hash >>> 19);
  hash ^= hash >>> 15;
  hash = Math.imul(hash, 0x2c1b3c6d);
  return hash ^ (hash >>> 12);
}
