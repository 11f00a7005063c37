// Bytes → number, for words: open addressing in typed arrays, no allocation per word. A slot is four 32-bit words. Words of up
// to twelve bytes are their own key; of longer ones it holds the hash and where their bytes are. The vocabulary's index and
// each tokenizer's memory of words it has merged are such tables.

/** Longer words have no inline key. */
export const inlineBytes = 12;
const longTag = 13;

// By length: which of the first, second and third four bytes belong to the word.
const byteMasks = (from: number): Int32Array =>
  Int32Array.from({ length: 16 }, (_, length) =>
    length >= from + 4 ? -1 : length <= from ? 0 : (1 << (8 * (length - from))) - 1,
  );
export const mask0: Int32Array = byteMasks(0);
export const mask1: Int32Array = byteMasks(4);
export const mask2: Int32Array = byteMasks(8);

export class WordTable {
  /** Slots of four: key (or hash, position, length), and length (or a tag) with the value above four bits; 0 = empty. */
  slots: Int32Array;
  /** A hash's upper bits say its slot. */
  shift: number;
  size = 0;
  /** Where the bytes of longer words are. */
  keys: DataView;

  constructor(slotBits: number, keys: DataView) {
    this.slots = new Int32Array(4 << slotBits);
    this.shift = 32 - slotBits;
    this.keys = keys;
  }

  /** The value of a word, or -1; twelve bytes after its start must be readable. */
  find(view: DataView, start: number, length: number): number {
    const slot = this.#slot(view, start, length);
    return slot < 0 ? -1 : this.slots[slot + 3] >>> 4;
  }

  // Of the last word that was not there: the slot it would have, and its hash.
  #missed = 0;
  #hash = 0;

  /** The slot of a word, or -1. */
  #slot(view: DataView, start: number, length: number): number {
    const { slots } = this;
    const mask = slots.length - 1;
    if (length > inlineBytes) {
      const hash = longHash(view, start, length);
      let slot = (hash >>> this.shift) << 2;
      for (; slots[slot + 3] !== 0; slot = (slot + 4) & mask) {
        if (slots[slot] !== hash || slots[slot + 2] !== length || (slots[slot + 3] & 15) !== longTag) continue;
        if (sameBytes(view, start, this.keys, slots[slot + 1], length)) return slot;
      }
      this.#missed = slot;
      this.#hash = hash;
      return -1;
    }
    const a = view.getInt32(start, true) & mask0[length];
    const b = view.getInt32(start + 4, true) & mask1[length];
    const c = view.getInt32(start + 8, true) & mask2[length];
    let slot = (inlineHash(a, b, c) >>> this.shift) << 2;
    for (; slots[slot + 3] !== 0; slot = (slot + 4) & mask) {
      if (slots[slot] === a && slots[slot + 1] === b && slots[slot + 2] === c && (slots[slot + 3] & 15) === length)
        return slot;
    }
    this.#missed = slot;
    return -1;
  }

  /** Adds the word that `find` has just missed; its bytes are at `position` in `keys` (only longer words need that). */
  add(view: DataView, start: number, length: number, position: number, value: number): void {
    const slot = this.#missed;
    const { slots } = this;
    if (length > inlineBytes) {
      slots[slot] = this.#hash;
      slots[slot + 1] = position;
      slots[slot + 2] = length;
      slots[slot + 3] = longTag | (value << 4);
    } else {
      slots[slot] = view.getInt32(start, true) & mask0[length];
      slots[slot + 1] = view.getInt32(start + 4, true) & mask1[length];
      slots[slot + 2] = view.getInt32(start + 8, true) & mask2[length];
      slots[slot + 3] = length | (value << 4);
    }
    if (++this.size * 16 >= this.slots.length * 3) this.#grow();
  }

  /** Makes room for so many words. */
  reserve(count: number): void {
    while (this.slots.length * 3 <= count * 16) this.#grow();
  }

  clear(): void {
    this.slots.fill(0);
    this.size = 0;
  }

  #grow(): void {
    const old = this.slots;
    const slots = new Int32Array(old.length * 2);
    const mask = slots.length - 1;
    this.shift--;
    for (let from = 0; from < old.length; from += 4) {
      const word = old[from + 3];
      if (word === 0) continue;
      const hash = (word & 15) === longTag ? old[from] : inlineHash(old[from], old[from + 1], old[from + 2]);
      let slot = (hash >>> this.shift) << 2;
      while (slots[slot + 3] !== 0) slot = (slot + 4) & mask;
      slots[slot] = old[from];
      slots[slot + 1] = old[from + 1];
      slots[slot + 2] = old[from + 2];
      slots[slot + 3] = word;
    }
    this.slots = slots;
  }
}

/** The hash of a word of up to twelve bytes. */
export function inlineHash(a: number, b: number, c: number): number {
  const hash = Math.imul(a, 0x9e3779b1) ^ Math.imul(b, 0x85ebca6b) ^ Math.imul(c, 0xc2b2ae35);
  return Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
}

function longHash(view: DataView, start: number, length: number): number {
  const last = start + length - 8;
  let a = length;
  let b = 0;
  for (let at = start; ; at += 8) {
    if (at > last) at = last;
    a = Math.imul(a ^ view.getInt32(at, true), 0x9e3779b1);
    b = Math.imul(b ^ view.getInt32(at + 4, true), 0x85ebca6b);
    a ^= a >>> 15;
    b ^= b >>> 13;
    if (at === last) break;
  }
  const hash = Math.imul(a ^ (b << 7) ^ (b >>> 9), 0x2c1b3c6d);
  return hash ^ (hash >>> 15);
}

/** True when more than eight bytes at `a` of one view and at `b` of the other are the same. */
function sameBytes(left: DataView, a: number, right: DataView, b: number, length: number): boolean {
  const end = length - 4;
  for (let at = 0; at < end; at += 4) if (left.getInt32(a + at, true) !== right.getInt32(b + at, true)) return false;
  return left.getInt32(a + end, true) === right.getInt32(b + end, true);
}
