// Byte-pair merging of one word: the lowest rank first, the leftmost of equals. Short words scan their ranks, long ones
// keep a heap, so the worst case is n log n. This is the definition; most words are encoded faster (longest-fit.ts).
import { noRank, type PairTable } from './pair-table.ts';

const longWord = 48;
const posLimit = 2 ** 32;

export class Merger {
  /** The ids of the last word; valid until the next call. */
  ids: Int32Array = new Int32Array(256);
  #ranks: Int32Array = new Int32Array(256);
  readonly #byteIds: Int32Array;
  readonly #pairs: PairTable;

  constructor(byteIds: Int32Array, pairs: PairTable) {
    this.#byteIds = byteIds;
    this.#pairs = pairs;
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
    return count <= longWord ? this.#mergeShort(count) : this.#mergeLong(count);
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

  #mergeShort(count: number): number {
    const ids = this.ids;
    const ranks = this.#ranks;
    const pairs = this.#pairs;
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

  #mergeLong(count: number): number {
    const ids = this.ids;
    const ranks = this.#ranks;
    const pairs = this.#pairs;
    const next = new Int32Array(count);
    const previous = new Int32Array(count);
    const heap = new Heap(count);
    for (let i = 0; i < count; i++) {
      next[i] = i + 1;
      previous[i] = i - 1;
      ranks[i] = i + 1 === count ? noRank : pairs.rank(ids[i], ids[i + 1]);
      if (ranks[i] !== noRank) heap.push(ranks[i] * posLimit + i);
    }
    while (heap.size > 0) {
      const key = heap.pop();
      const rank = Math.floor(key / posLimit);
      const at = key - rank * posLimit;
      // Stale: the pair at this position has changed, or the position was swallowed (its rank is then noRank).
      if (ranks[at] !== rank) continue;
      const swallowed = next[at];
      ids[at] = pairs.merged[rank];
      ranks[swallowed] = noRank;
      const after = next[swallowed];
      next[at] = after;
      if (after < count) previous[after] = at;
      ranks[at] = after < count ? pairs.rank(ids[at], ids[after]) : noRank;
      if (ranks[at] !== noRank) heap.push(ranks[at] * posLimit + at);
      const before = previous[at];
      if (before >= 0) {
        ranks[before] = pairs.rank(ids[before], ids[at]);
        if (ranks[before] !== noRank) heap.push(ranks[before] * posLimit + before);
      }
    }
    let kept = 0;
    for (let at = 0; at < count; at = next[at]) ids[kept++] = ids[at];
    return kept;
  }
}

/**
 * A min-heap of rank and position in one double (rank below 2^20, position below 2^32). Four children a node: half the depth
 * of two, and the children lie side by side.
 */
class Heap {
  size = 0;
  #keys: Float64Array;

  constructor(capacity: number) {
    this.#keys = new Float64Array(capacity + 16);
  }

  push(key: number): void {
    if (this.size === this.#keys.length) {
      const keys = new Float64Array(this.size * 2);
      keys.set(this.#keys);
      this.#keys = keys;
    }
    const keys = this.#keys;
    let at = this.size++;
    while (at > 0) {
      const parent = (at - 1) >> 2;
      if (keys[parent] <= key) break;
      keys[at] = keys[parent];
      at = parent;
    }
    keys[at] = key;
  }

  pop(): number {
    const keys = this.#keys;
    const top = keys[0];
    const key = keys[--this.size];
    const size = this.size;
    let at = 0;
    for (;;) {
      let child = at * 4 + 1;
      if (child >= size) break;
      const last = Math.min(child + 4, size);
      for (let other = child + 1; other < last; other++) if (keys[other] < keys[child]) child = other;
      if (keys[child] >= key) break;
      keys[at] = keys[child];
      at = child;
    }
    keys[at] = key;
    return top;
  }
}
