// Byte-pair merging of one word: the lowest rank first, the leftmost of equals, found by looking at all. This is the
// definition; most words are encoded faster (longest-fit.ts), and long ones must be: so, or by a heap (merge-long.ts).
import { noRank, type PairTable } from './pair-table.ts';

/** Longer words are better merged with a heap. */
const longWord = 48;

/** Merges the first `count` of `ids` in place; returns how many are left. `ranks` is room for as many numbers. */
export type Merge = (ids: Int32Array, ranks: Int32Array, count: number, pairs: PairTable) => number;

export class Merger {
  /** The ids of the last word; valid until the next call. */
  ids: Int32Array = new Int32Array(256);
  #ranks: Int32Array = new Int32Array(256);
  readonly #byteIds: Int32Array;
  readonly #pairs: PairTable;
  readonly #mergeLong: Merge;

  /** Without `mergeLong` (merge-long.ts) the time of a word is the square of its length. */
  constructor(byteIds: Int32Array, pairs: PairTable, mergeLong: Merge = mergeShort) {
    this.#byteIds = byteIds;
    this.#pairs = pairs;
    this.#mergeLong = mergeLong;
  }

  /**
   * Merges `bytes[start .. end)`; the ids are in `ids`, their number is returned. Bytes that stand for nothing are left out,
   * and their neighbours may merge.
   */
  merge(bytes: Uint8Array, start: number, end: number): number {
    if (this.ids.length < end - start) this.#grow(end - start);
    const { ids } = this;
    let count = 0;
    for (let at = start; at < end; at++) {
      const id = this.#byteIds[bytes[at]];
      if (id >= 0) ids[count++] = id;
    }
    return (count <= longWord ? mergeShort : this.#mergeLong)(ids, this.#ranks, count, this.#pairs);
  }

  /** Releases what a very long word needed. */
  trim(): void {
    if (this.ids.length > 1 << 16) {
      this.ids = new Int32Array(256);
      this.#ranks = new Int32Array(256);
    }
  }

  #grow(needed: number): void {
    const size = Math.max(needed, this.ids.length * 2);
    this.ids = new Int32Array(size);
    this.#ranks = new Int32Array(size);
  }
}

function mergeShort(ids: Int32Array, ranks: Int32Array, count: number, pairs: PairTable): number {
  const { merged, mergedBase } = pairs;
  let last = count - 1;
  for (let i = 0; i < last; i++) ranks[i] = pairs.rank(ids[i], ids[i + 1]);
  while (last > 0) {
    let rank = noRank;
    let at = 0;
    for (let i = 0; i < last; i++) {
      if (ranks[i] < rank) {
        rank = ranks[i];
        at = i;
      }
    }
    if (rank === noRank) break;
    ids[at] = mergedBase < 0 ? merged[rank] : mergedBase + rank;
    last--;
    for (let i = at + 1; i <= last; i++) {
      ids[i] = ids[i + 1];
      ranks[i] = ranks[i + 1];
    }
    if (at > 0) ranks[at - 1] = pairs.rank(ids[at - 1], ids[at]);
    if (at < last) ranks[at] = pairs.rank(ids[at], ids[at + 1]);
  }
  return last + 1;
}
