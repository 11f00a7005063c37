// Which characters merging may start from, instead of their bytes. A character is merged in isolation; that is what happens
// inside any word too, unless a merge across its edge comes before. Such merges make tokens that begin or end inside a
// character: there are few, and each needs a certain byte beyond the edge.
import { type PairTable } from './pair-table.ts';
import type { TokenizerSpec } from './vocabulary.ts';

/** By part of a character (its bytes as one number): by the byte beyond the edge, the least rank of a merge across it. */
type Crossings = Map<number, Map<number, number>>;

interface Guard {
  /** Bytes before, and after, the character that may take a part of it away first. */
  readonly before: Uint8Array;
  readonly after: Uint8Array;
}

const unknown = -2;
const never = -1;
/** Set in the entry of a character that has a guard. */
const guardBit = 1 << 24;

export class WholeChars {
  /** By code point below 0x10000. */
  readonly #ids: Int32Array = new Int32Array(0x10000).fill(unknown);
  /** By code point: its place in `#guards`, 0 without one. */
  readonly #guardOf: Uint16Array = new Uint16Array(0x10000);
  readonly #guards: Guard[] = [{ before: new Uint8Array(256), after: new Uint8Array(256) }];
  /** By byte: 1 when some crossing needs it before a character, 2 when after. */
  readonly #beyond: Uint8Array = new Uint8Array(256);
  readonly #byteIds: Int32Array;
  readonly #pairs: PairTable;
  readonly #ends: Crossings = new Map();
  readonly #starts: Crossings = new Map();

  constructor(spec: TokenizerSpec, pairs: PairTable) {
    this.#byteIds = spec.byteIds;
    this.#pairs = pairs;
    this.#findCrossings(spec);
  }

  /**
   * The token that the character of `length` bytes at `at` is sure to become before anything else happens to its bytes in
   * the word `bytes[start .. end)`; -1 when its bytes must be merged one by one.
   */
  idAt(codePoint: number, bytes: Uint8Array, at: number, length: number, start: number, end: number): number {
    if (codePoint >= 0x10000) return never;
    let entry = this.#ids[codePoint];
    if (entry === unknown) entry = this.#learn(codePoint, bytes, at, length);
    if (entry < guardBit) return entry;
    const before = at > start ? bytes[at - 1] : 0;
    const after = at + length < end ? bytes[at + length] : 0;
    // Few bytes stand beyond any crossing at all: their table stays in the nearest cache.
    const beyond = (this.#beyond[before] & 1) | (this.#beyond[after] & 2);
    if (beyond !== 0 && this.#isTaken(codePoint, before, after)) return never;
    return entry ^ guardBit;
  }

  // Outside the word, 0 stands for the byte: it is never beyond a crossing in the word.
  #isTaken(codePoint: number, before: number, after: number): boolean {
    const guard = this.#guards[this.#guardOf[codePoint]];
    return guard.before[before] === 1 || guard.after[after] === 1;
  }

  #learn(codePoint: number, bytes: Uint8Array, at: number, length: number): number {
    const ids: number[] = [];
    const sizes: number[] = [];
    for (let i = 0; i < length; i++) {
      ids.push(this.#byteIds[bytes[at + i]]);
      sizes.push(1);
    }
    const before = new Uint8Array(256);
    const after = new Uint8Array(256);
    let isGuarded = false;
    while (ids.length > 1) {
      let best = 0;
      const ranks = ids.slice(1).map((id, i) => this.#pairs.rank(ids[i], id));
      for (let i = 1; i < ranks.length; i++) if (ranks[i] < ranks[best]) best = i;
      const merged = this.#pairs.merged[ranks[best]];
      if (merged === undefined) return (this.#ids[codePoint] = never);
      // The first part stays open to the left until this rank takes it in; likewise the last part to the right.
      const last = sizes.length - 1;
      if (best === 0)
        isGuarded = note(before, this.#ends.get(partKey(bytes, at, at + sizes[0])), ranks[best]) || isGuarded;
      if (best === last - 1) {
        isGuarded =
          note(after, this.#starts.get(partKey(bytes, at + length - sizes[last], at + length)), ranks[best]) ||
          isGuarded;
      }
      ids.splice(best, 2, merged);
      sizes.splice(best, 2, sizes[best] + sizes[best + 1]);
    }
    if (isGuarded) {
      this.#guardOf[codePoint] = this.#guards.length;
      this.#guards.push({ before, after });
    }
    return (this.#ids[codePoint] = isGuarded ? ids[0] | guardBit : ids[0]);
  }

  #findCrossings(spec: TokenizerSpec): void {
    const { bytes, offsets } = spec.tokens;
    const { merged } = spec;
    for (let rank = 0; rank < merged.length; rank++) {
      const from = offsets[merged[rank]];
      const to = offsets[merged[rank] + 1];
      if (isContinuation(bytes[from])) {
        let cut = from + 1;
        while (cut < to && isContinuation(bytes[cut])) cut++;
        if (cut < to && cut - from < 4) {
          this.#beyond[bytes[cut]] |= 2;
          cross(this.#starts, partKey(bytes, from, cut), bytes[cut], rank);
        }
      }
      if (bytes[to - 1] < 0x80) continue;
      let lead = to - 1;
      while (lead > from && isContinuation(bytes[lead])) lead--;
      const wanted = bytes[lead] < 0xe0 ? 2 : bytes[lead] < 0xf0 ? 3 : 4;
      if (lead === from || to - lead >= wanted) continue;
      this.#beyond[bytes[lead - 1]] |= 1;
      cross(this.#ends, partKey(bytes, lead, to), bytes[lead - 1], rank);
    }
  }
}

/** Marks the bytes whose crossing merges come before `rank`; true when there is one. */
function note(marks: Uint8Array, crossings: Map<number, number> | undefined, rank: number): boolean {
  let isMarked = false;
  for (const [byte, least] of crossings ?? []) {
    if (least >= rank) continue;
    marks[byte] = 1;
    isMarked = true;
  }
  return isMarked;
}

function cross(crossings: Crossings, part: number, byte: number, rank: number): void {
  let ranks = crossings.get(part);
  if (ranks === undefined) crossings.set(part, (ranks = new Map()));
  if (!ranks.has(byte)) ranks.set(byte, rank);
}

function partKey(bytes: Uint8Array, start: number, end: number): number {
  let key = 0;
  for (let i = start; i < end; i++) key = (key << 8) | bytes[i];
  return key;
}

function isContinuation(byte: number): boolean {
  return (byte & 0xc0) === 0x80;
}
