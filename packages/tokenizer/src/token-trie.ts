// The longest token at a place: the bytes of all tokens as paths in one hash table. Most tokens of Chinese, Japanese and
// Korean begin with two characters, so those pairs are found in one step.
import { charBytes, codePointAt } from './char-class.ts';
import type { TokenBytes } from './token-bytes.ts';

// A match is a token's id and, above these bits, its length in bytes; 0 is none.
export const idBits = 20;
export const idMask: number = (1 << idBits) - 1;
/** Longer tokens have no place in the trie. */
export const longestToken = 255;
/** Of a slot's match: nothing goes on from here. */
const leaf = 1 << 30;
/** Keys of the first two bytes: beyond those of a slot and a byte. */
const rootKey = 1 << (idBits + 8);
/** Of a character: some token ends inside the character after it. */
const open = 1 << idBits;

export class TokenTrie {
  /** By id: the longest match that begins the token and is shorter. */
  readonly shorter: Int32Array;
  /** False when the vocabulary was too large. */
  readonly isComplete: boolean;
  /** Pairs: the key of a prefix (the slot of all but its last byte, that byte) + 1, and the longest match that begins it. */
  readonly #slots: Int32Array;
  readonly #byteIds: Int32Array;
  /** By two bytes: the slot of that prefix, or -1. */
  readonly #roots: Int32Array = new Int32Array(1 << 16).fill(-1);
  /** By code point, of those with two or three bytes: the character's slot, perhaps `open`, or -1. */
  readonly #chars: Int32Array = new Int32Array(1 << 16).fill(-1);
  /** By such a code point: what its slot says, near to the others of its script. */
  readonly #charMatches: Int32Array = new Int32Array(1 << 16);
  /** Fours: two such code points, the slot of both, what that slot says, nothing. */
  readonly #charPairs: Int32Array;

  /** The trie of the ids below `count`, but for `hidden`. */
  constructor(tokens: TokenBytes, byteIds: Int32Array, count: number, hidden: ReadonlySet<number>) {
    const { bytes, offsets } = tokens;
    this.#byteIds = byteIds;
    this.shorter = new Int32Array(count);
    // A token adds two prefixes or three.
    let size = 1 << 10;
    while (size < count * 3 && size < 1 << idBits) size *= 2;
    const slots = (this.#slots = new Int32Array(2 * size));
    // Pairs: a slot, and that of its prefix or the complement of a byte's id; prefixes come first.
    const made: number[] = [];
    const place = (key: number, prefix: number): number => {
      const slot = slotOf(slots, key + 1, 1);
      if (slots[2 * slot] === 0) {
        slots[2 * slot] = key + 1;
        slots[2 * slot + 1] = leaf;
        if (prefix >= 0) slots[2 * prefix + 1] &= ~leaf;
        made.push(slot, prefix);
      }
      return slot;
    };
    const pairs: number[] = [];
    for (let id = 0; id < count; id++) {
      const from = offsets[id];
      const end = offsets[id + 1];
      if (end - from < 2 || hidden.has(id) || made.length > size * 1.5) continue;
      const root = (bytes[from] << 8) | bytes[from + 1];
      let slot = (this.#roots[root] = place(rootKey | root, ~byteIds[bytes[from]]));
      const second = isShortLead(bytes[from]) ? from + charBytes(bytes[from]) : 0;
      const third = second > 0 && second < end && isShortLead(bytes[second]) ? second + charBytes(bytes[second]) : 0;
      for (let at = from + 2; at <= end; at++) {
        if (at === second) {
          const char = codePointAt(bytes, from);
          if (this.#chars[char] < 0) this.#chars[char] = slot;
          if (second < end && (third === 0 || third > end)) this.#chars[char] |= open;
        }
        if (at === third && made[made.length - 2] === slot)
          pairs.push((codePointAt(bytes, from) << 16) | codePointAt(bytes, second), slot);
        if (at < end) slot = place((slot << 8) | bytes[at], slot);
      }
      slots[2 * slot + 1] |= id | ((end - from) << idBits);
    }
    this.isComplete = made.length <= size * 1.5;
    for (let i = 0; i < made.length; i += 2) {
      const slot = made[i];
      const prefix = made[i + 1];
      const before = prefix < 0 ? ~prefix | (1 << idBits) : slots[2 * prefix + 1] & ~leaf;
      const match = slots[2 * slot + 1];
      if ((match & ~leaf) === 0) slots[2 * slot + 1] |= before;
      else this.shorter[match & idMask] = before;
    }
    let pairSize = 1 << 10;
    while (pairSize < pairs.length) pairSize *= 2;
    this.#charPairs = new Int32Array(4 * pairSize);
    for (let i = 0; i < pairs.length; i += 2) {
      const at = 4 * slotOf(this.#charPairs, pairs[i], 2);
      this.#charPairs[at] = pairs[i];
      this.#charPairs[at + 1] = pairs[i + 1];
      this.#charPairs[at + 2] = slots[2 * pairs[i + 1] + 1];
    }
    this.#chars.forEach((slot, char) => {
      if (slot >= 0) this.#charMatches[char] = slots[2 * (slot & (open - 1)) + 1];
    });
  }

  /** The longest match at `at` that ends by `end`. */
  longest(bytes: Uint8Array, at: number, end: number): number {
    const slots = this.#slots;
    const mask = (slots.length >> 1) - 1;
    const shift = Math.clz32(mask);
    const byte = bytes[at];
    let next = at + 2;
    if (next > end) return this.#byteIds[byte] | (1 << idBits);
    let slot = -1;
    let match = 0;
    const second = at + charBytes(byte);
    if (isShortLead(byte) && second <= end) {
      const char = codePointAt(bytes, at);
      slot = this.#chars[char];
      if (slot >= 0) {
        match = this.#charMatches[char];
        if (match >= leaf || second >= end) return match & (leaf - 1);
        const isOpen = slot >= open;
        slot &= open - 1;
        next = second;
        const third = second + charBytes(bytes[second]);
        if (third <= end && isShortLead(bytes[second])) {
          const pairs = this.#charPairs;
          const pair = 4 * slotOf(pairs, (char << 16) | codePointAt(bytes, second), 2);
          if (pairs[pair] !== 0) {
            slot = pairs[pair + 1];
            match = pairs[pair + 2];
            next = third;
          } else if (!isOpen) return match;
        } else if (!isOpen) return match;
      }
    }
    if (slot < 0) {
      slot = this.#roots[(byte << 8) | bytes[at + 1]];
      if (slot < 0) return this.#byteIds[byte] | (1 << idBits);
      match = slots[2 * slot + 1];
    }
    while (match < leaf && next < end) {
      const key = ((slot << 8) | bytes[next++]) + 1;
      slot = Math.imul(key, 0x9e3779b1) >>> shift;
      let found = slots[2 * slot];
      while (found !== key && found !== 0) {
        slot = (slot + 1) & mask;
        found = slots[2 * slot];
      }
      if (found === 0) break;
      match = slots[2 * slot + 1];
    }
    return match & (leaf - 1);
  }
}

/** Begins a character of two or three bytes. */
function isShortLead(byte: number): boolean {
  return byte >= 0xc2 && byte < 0xf0;
}

/** The slot with a key, or the empty one where it belongs, in a table with slots of `1 << bits` numbers. */
function slotOf(table: Int32Array, key: number, bits: number): number {
  const mask = (table.length >> bits) - 1;
  let slot = Math.imul(key, 0x9e3779b1) >>> Math.clz32(mask);
  while (table[slot << bits] !== 0 && table[slot << bits] !== key) slot = (slot + 1) & mask;
  return slot;
}
