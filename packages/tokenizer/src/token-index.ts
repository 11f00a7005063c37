// Bytes → id over the vocabulary: for words that are tokens. A slot is four 32-bit words, as in word-cache.ts: up to eight
// bytes are their own key, of longer tokens the hash and where the bytes are. Built once, never changed.
import type { TokenBytes } from './token-bytes.ts';
import { firstKey, longHash, sameBytes, secondKey, shortHash, wordHash } from './word-hash.ts';

export class TokenIndex {
  /** Slots of four: key, key, length (0 = empty), id. */
  readonly #slots: Int32Array;
  readonly #mask: number;
  readonly #tokens: DataView;

  /** Indexes the ids below `count` that have bytes, but for `hidden`: a word must never become a special token. */
  constructor(tokens: TokenBytes, count: number, hidden: ReadonlySet<number>) {
    let size = 1024;
    while (size < count * 1.5) size *= 2;
    const { bytes, offsets } = tokens;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const slots = new Int32Array(size * 4);
    const mask = size * 4 - 1;
    for (let id = 0; id < count; id++) {
      const from = offsets[id];
      const length = offsets[id + 1] - from;
      if (length === 0 || hidden.has(id)) continue;
      let slot = (wordHash(view, from, length) << 2) & mask;
      while (slots[slot + 2] !== 0) slot = (slot + 4) & mask;
      slots[slot] = length > 8 ? longHash(view, from, length) : firstKey(view, from, length);
      slots[slot + 1] = length > 8 ? from : secondKey(view, from, length);
      slots[slot + 2] = length;
      slots[slot + 3] = id;
    }
    this.#slots = slots;
    this.#mask = mask;
    this.#tokens = view;
  }

  /** The id whose bytes are the `length` bytes at `start` of `view`, or -1. */
  find(view: DataView, start: number, length: number): number {
    const slots = this.#slots;
    const mask = this.#mask;
    if (length > 8) {
      const hash = longHash(view, start, length);
      for (let slot = (hash << 2) & mask; slots[slot + 2] !== 0; slot = (slot + 4) & mask) {
        const isLike = slots[slot] === hash && slots[slot + 2] === length;
        if (isLike && sameBytes(view, start, this.#tokens, slots[slot + 1], length)) return slots[slot + 3];
      }
      return -1;
    }
    const first = firstKey(view, start, length);
    const second = secondKey(view, start, length);
    for (let slot = (shortHash(first, second, length) << 2) & mask; slots[slot + 2] !== 0; slot = (slot + 4) & mask) {
      if (slots[slot] === first && slots[slot + 1] === second && slots[slot + 2] === length) return slots[slot + 3];
    }
    return -1;
  }
}
