// Byte-pair merging of a long word: the lowest rank first, the leftmost of equals, found by a heap, so the worst case is
// n log n. Short words need none (bpe.ts).
import { noRank, type PairTable } from './pair-table.ts';

const posLimit = 2 ** 32;

/** Merges the first `count` of `ids` in place; returns how many are left. `ranks` is room for as many numbers. */
export function mergeLong(ids: Int32Array, ranks: Int32Array, count: number, pairs: PairTable): number {
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
