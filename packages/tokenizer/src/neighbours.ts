// Which tokens can stand side by side: those that merging the bytes of both together makes again. That is so when no merge
// across their edge comes before the merges that make them.
import { noRank, type PairTable } from './pair-table.ts';
import type { TokenizerSpec } from './vocabulary.ts';

/** Of a part: neither it nor a part of it takes part in a merge across the edge of a character. */
const sealed = 1 << 24;
const partMask = sealed - 1;
/** Parts of parts that are kept with each token. */
const depth = 2;

export class Neighbours {
  readonly #pairs: PairTable;
  /** Ids of merged tokens are this and their rank. */
  readonly #base: number;
  /** By id: its right part, that one's right part, and so on; `depth` of them. */
  readonly #rights: Int32Array;
  /** By id: its left part, that one's left part, and so on. */
  readonly #lefts: Int32Array;
  /** Ranks of the pairs of ids that no merge makes: single bytes. */
  readonly #byteRanks: Int32Array;

  /** For a vocabulary whose ids follow the ranks of its merges. */
  constructor(spec: TokenizerSpec, pairs: PairTable) {
    const { tokens, left, right, merged, modelIds } = spec;
    const base = pairs.mergedBase;
    this.#pairs = pairs;
    this.#base = base;
    this.#byteRanks = new Int32Array(base * base);
    for (let i = 0; i < base * base; i++) this.#byteRanks[i] = pairs.rank(Math.floor(i / base), i % base);
    const rights = (this.#rights = new Int32Array(depth * modelIds));
    const lefts = (this.#lefts = new Int32Array(depth * modelIds));
    // Whether a token, or a part of it at its end or start, merges across the edge of a character there.
    const leaves = new Uint8Array(modelIds);
    const enters = new Uint8Array(modelIds);
    for (let rank = 0; rank < merged.length; rank++) {
      if ((tokens.bytes[tokens.offsets[right[rank]]] & 0xc0) === 0x80) continue;
      leaves[left[rank]] = 1;
      enters[right[rank]] = 1;
    }
    for (let rank = 0; rank < merged.length; rank++) {
      const at = merged[rank] * depth;
      const l = left[rank];
      const r = right[rank];
      leaves[merged[rank]] |= leaves[r];
      enters[merged[rank]] |= enters[l];
      rights[at] = leaves[r] === 0 ? r | sealed : r;
      lefts[at] = enters[l] === 0 ? l | sealed : l;
      for (let i = 1; i < depth; i++) {
        rights[at + i] = rights[r * depth + i - 1];
        lefts[at + i] = lefts[l * depth + i - 1];
      }
    }
  }

  /** Whether `left` and `right` can stand side by side; `isEdge` says that a character begins between them. */
  fit(left: number, right: number, isEdge: boolean): boolean {
    const base = this.#base;
    const rights = this.#rights;
    const lefts = this.#lefts;
    const pairs = this.#pairs;
    const stop = isEdge ? sealed : 0;
    let leftAt = depth * left;
    let rightAt = depth * right;
    // Undoes the merges, the last first. A merge of this rank or a later one would come too late to disturb.
    let limit = noRank;
    for (;;) {
      if (left < base && right < base) return this.#byteRanks[left * base + right] >= limit;
      if (pairs.rank(left, right) < limit) return false;
      if (left > right) {
        limit = left - base;
        const part = rights[leftAt++];
        if ((part & stop) !== 0) return true;
        left = part & partMask;
        if (leftAt % depth === 0) leftAt = depth * left;
      } else {
        // Of equal merges the one on the left comes first.
        limit = right - base + 1;
        const part = lefts[rightAt++];
        if ((part & stop) !== 0) return true;
        right = part & partMask;
        if (rightAt % depth === 0) rightAt = depth * right;
      }
    }
  }
}
