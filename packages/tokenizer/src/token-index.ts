// Bytes → id over the vocabulary: slots hold ids and a part of the hash, the token's own bytes are the key. Built once,
// never changed.
import { sameBytes, wordHash } from './word-hash.ts';
import type { TokenBytes } from './token-bytes.ts';

const idBits = 20;
const idMask = (1 << idBits) - 1;

export class TokenIndex {
  /** id + 1 below, the top twelve bits of the hash above; 0 is empty. */
  readonly #slots: Int32Array;
  readonly #mask: number;
  readonly #offsets: Int32Array;
  readonly #view: DataView;

  /** Indexes the ids below `count` that have bytes, but for `hidden`: a word must never become a special token. */
  constructor(tokens: TokenBytes, count: number, hidden: ReadonlySet<number>) {
    let size = 1024;
    while (size < count * 1.5) size *= 2;
    const { bytes, offsets } = tokens;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const slots = new Int32Array(size);
    const mask = size - 1;
    for (let id = 0; id < count; id++) {
      const length = offsets[id + 1] - offsets[id];
      if (length === 0 || hidden.has(id)) continue;
      const hash = wordHash(view, offsets[id], length);
      let slot = hash & mask;
      while (slots[slot] !== 0) slot = (slot + 1) & mask;
      slots[slot] = (id + 1) | ((hash >>> idBits) << idBits);
    }
    this.#slots = slots;
    this.#mask = mask;
    this.#offsets = offsets;
    this.#view = view;
  }

  /** The id whose bytes are the `length` bytes at `start` of `view`, or -1; `hash` is their `wordHash`. */
  find(view: DataView, start: number, length: number, hash: number): number {
    const slots = this.#slots;
    const mask = this.#mask;
    const tag = hash >>> idBits;
    let slot = hash & mask;
    for (;;) {
      const entry = slots[slot];
      if (entry === 0) return -1;
      if (entry >>> idBits === tag) {
        const id = (entry & idMask) - 1;
        const from = this.#offsets[id];
        if (this.#offsets[id + 1] - from === length && sameBytes(view, start, this.#view, from, length)) return id;
      }
      slot = (slot + 1) & mask;
    }
  }
}
