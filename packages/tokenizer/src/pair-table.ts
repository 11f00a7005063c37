// (left id, right id) → rank of their merge: an open-addressing table of two 32-bit words a slot behind a bit filter
// that answers most misses from the cache. Which merge comes first is decided in bpe.ts.

/** No merge: greater than every rank. */
export const noRank = 0x7fffffff;
/** Ids and ranks must be below this: two ids and a rank share 64 bits. */
export const idLimit: number = 1 << 20;

export class PairTable {
  /** By rank: the id of the merged token. */
  readonly merged: Int32Array;
  /** The id of every merged token less its rank, when that is the same for all; else -1. */
  readonly mergedBase: number;
  readonly #slots: Int32Array;
  readonly #mask: number;
  readonly #filter: Int32Array;
  readonly #filterMask: number;

  /** Merges in order of rank: `left[rank] + right[rank] → merged[rank]`. */
  constructor(left: Int32Array, right: Int32Array, merged: Int32Array) {
    this.merged = merged;
    const base = merged.length === 0 ? -1 : merged[0];
    this.mergedBase = merged.every((id, rank) => id === base + rank) ? base : -1;
    let size = 1024;
    while (size < left.length * 1.5) size *= 2;
    this.#slots = new Int32Array(size * 2);
    this.#mask = size - 1;
    this.#filter = new Int32Array(size / 4);
    this.#filterMask = size / 4 - 1;
    const slots = this.#slots;
    const mask = this.#mask;
    const filter = this.#filter;
    for (let rank = 0; rank < left.length; rank++) {
      const l = left[rank];
      const r = right[rank];
      const hash = pairHash(l, r);
      filter[(hash >>> 5) & this.#filterMask] |= 1 << (hash & 31);
      const low = l | ((r & 0xfff) << 20);
      const high = r >>> 12;
      let slot = (hash & mask) * 2;
      // Word 1 is rank + 1 above eight bits of the right id, so an empty slot is 0. Of two equal pairs
      // the last wins, as in Hugging Face's map.
      while (slots[slot + 1] !== 0 && (slots[slot] !== low || (slots[slot + 1] & 0xff) !== high))
        slot = (slot + 2) & (mask * 2 + 1);
      slots[slot] = low;
      slots[slot + 1] = high | ((rank + 1) << 8);
    }
  }

  /** The rank of merging `left` and `right`, or `noRank`. */
  rank(left: number, right: number): number {
    const hash = pairHash(left, right);
    if ((this.#filter[(hash >>> 5) & this.#filterMask] & (1 << (hash & 31))) === 0) return noRank;
    const slots = this.#slots;
    const mask = this.#mask;
    const low = left | ((right & 0xfff) << 20);
    const high = right >>> 12;
    let slot = (hash & mask) * 2;
    for (;;) {
      const word = slots[slot + 1];
      if (word === 0) return noRank;
      if (slots[slot] === low && (word & 0xff) === high) return (word >>> 8) - 1;
      slot = (slot + 2) & (mask * 2 + 1);
    }
  }
}

function pairHash(left: number, right: number): number {
  let hash = Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca6b);
  hash ^= hash >>> 15;
  hash = Math.imul(hash, 0x2c1b3c6d);
  return hash ^ (hash >>> 13);
}
