// Which characters merging may start from, instead of their bytes. A character is merged in isolation; that is what happens
// inside any word too, unless a merge across its edge comes before. Such merges make tokens that begin or end inside a
// character: there are few, and each needs a certain byte beyond the edge.
import { charBytes } from './char-class.ts';
import type { PairTable } from './pair-table.ts';
import type { TokenizerSpec } from './vocabulary.ts';

/** By part of a character (its bytes as one number): by the byte beyond the edge, the least rank of a merge across it. */
type Crossings = Map<number, Map<number, number>>;

/** The entry of a character not met yet. */
export const unknown: number = -2;
const never = -1;
/** Below this an entry is a token; from it on its upper bits say which guard decides. */
export const guardBit: number = 1 << 20;
const guardLimit = 1 << 10;
const takesBefore = 1;
const takesAfter = 2;

export class WholeChars {
  /** By code point below 0x10000. */
  readonly entries: Int32Array = new Int32Array(0x10000).fill(unknown);
  /** A guard is 256 bytes: which byte before, or after, a character may take a part of it away first. */
  readonly #guards: Uint8Array = new Uint8Array(guardLimit * 256);
  readonly #guardNumbers = new Map<string, number>();
  readonly #byteIds: Int32Array;
  readonly #pairs: PairTable;
  /** Until the crossings have been found. */
  #spec: TokenizerSpec | undefined;
  readonly #ends: Crossings = new Map();
  readonly #starts: Crossings = new Map();

  constructor(spec: TokenizerSpec, pairs: PairTable) {
    this.#byteIds = spec.byteIds;
    this.#pairs = pairs;
    this.#spec = spec;
  }

  /**
   * The entry of the character of `length` bytes at `at`: its token when it is sure to become that before anything else
   * happens to its bytes, `-1` when its bytes must be merged one by one, or, from `guardBit` on, the token for `isFree` to
   * decide. Kept in `entries`, where `unknown` asks for this function.
   */
  learn(codePoint: number, bytes: Uint8Array, at: number, length: number): number {
    if (this.#spec !== undefined) this.#findCrossings(this.#spec);
    this.#spec = undefined;
    return (this.entries[codePoint] = codePoint < 0x10000 ? this.#learn(codePoint, bytes, at, length) : never);
  }

  /**
   * True when neither the byte before nor the byte after can take a part of the character with this entry. Outside the word
   * they are 0: what that byte could take in the word only makes this slower.
   */
  isFree(entry: number, before: number, after: number): boolean {
    const guard = (entry >> 20) << 8;
    return ((this.#guards[guard | before] & takesBefore) | (this.#guards[guard | after] & takesAfter)) === 0;
  }

  #learn(codePoint: number, bytes: Uint8Array, at: number, length: number): number {
    const ids: number[] = [];
    const sizes: number[] = [];
    for (let i = 0; i < length; i++) {
      ids.push(this.#byteIds[bytes[at + i]]);
      sizes.push(1);
    }
    const marks = new Uint8Array(256);
    while (ids.length > 1) {
      let best = 0;
      const ranks = ids.slice(1).map((id, i) => this.#pairs.rank(ids[i], id));
      for (let i = 1; i < ranks.length; i++) if (ranks[i] < ranks[best]) best = i;
      const merged = this.#pairs.merged[ranks[best]];
      if (merged === undefined) return never;
      // The first part stays open to the left until this rank takes it in; likewise the last part to the right.
      const last = sizes.length - 1;
      if (best === 0) mark(marks, takesBefore, this.#ends.get(partKey(bytes, at, at + sizes[0])), ranks[best]);
      const end = at + length;
      if (best === last - 1) {
        mark(marks, takesAfter, this.#starts.get(partKey(bytes, end - sizes[last], end)), ranks[best]);
      }
      ids.splice(best, 2, merged);
      sizes.splice(best, 2, sizes[best] + sizes[best + 1]);
    }
    const guard = this.#guardNumber(marks);
    return guard === guardLimit ? never : ids[0] | (guard << 20);
  }

  /** The number of the guard with these marks, 0 for none; characters of one lead byte mostly share theirs. */
  #guardNumber(marks: Uint8Array): number {
    const key = marks.join('');
    let number = this.#guardNumbers.get(key);
    if (number === undefined) {
      number = marks.some((taken) => taken !== 0) ? Math.min(this.#guardNumbers.size + 1, guardLimit) : 0;
      if (number < guardLimit) this.#guards.set(marks, number * 256);
      this.#guardNumbers.set(key, number);
    }
    return number;
  }

  #findCrossings(spec: TokenizerSpec): void {
    const { bytes, offsets } = spec.tokens;
    for (const rank of spec.crossing ?? spec.merged.keys()) {
      const from = offsets[spec.merged[rank]];
      const to = offsets[spec.merged[rank] + 1];
      const cut = startCut(bytes, from, to);
      if (cut > from) cross(this.#starts, partKey(bytes, from, cut), bytes[cut], rank);
      const lead = endCut(bytes, from, to);
      if (lead < to) cross(this.#ends, partKey(bytes, lead, to), bytes[lead - 1], rank);
    }
  }
}

/** The ranks of the merges that `crossing` of a TokenizerSpec may list. */
export function crossingRanks(spec: TokenizerSpec): number[] {
  const { bytes, offsets } = spec.tokens;
  return [...spec.merged.keys()].filter((rank) => {
    const from = offsets[spec.merged[rank]];
    const to = offsets[spec.merged[rank] + 1];
    return startCut(bytes, from, to) > from || endCut(bytes, from, to) < to;
  });
}

/** Where the part of a character that a token begins with ends; `from` when it begins with a whole one or is only a part. */
function startCut(bytes: Uint8Array, from: number, to: number): number {
  let cut = from;
  while (cut < to && isContinuation(bytes[cut])) cut++;
  return cut < to && cut - from < 4 ? cut : from;
}

/** Where the part of a character that a token ends with begins; `to` when it ends with a whole one or is only a part. */
function endCut(bytes: Uint8Array, from: number, to: number): number {
  if (bytes[to - 1] < 0x80) return to;
  let lead = to - 1;
  while (lead > from && isContinuation(bytes[lead])) lead--;
  return lead > from && to - lead < charBytes(bytes[lead]) ? lead : to;
}

/** Marks the bytes whose crossing merges come before `rank`. */
function mark(marks: Uint8Array, flag: number, crossings: Map<number, number> | undefined, rank: number): void {
  for (const [byte, least] of crossings ?? []) if (least < rank) marks[byte] |= flag;
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
