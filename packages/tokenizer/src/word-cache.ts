// Word → ids, for words already seen: open addressing in typed arrays, no allocation per word, bounded. A slot is four
// 32-bit words: two of key, length and count, and the id (or where the ids are). Words of up to eight bytes are their own
// key; longer ones are compared with a copy of their bytes.

import { firstKey, secondKey, longHash, sameBytes, shortHash } from './word-hash.ts';

/** Longer words are merged every time. */
export const maxWordBytes = 128;
const maxWords = 1 << 17;
const maxIds = 1 << 20;

const firstSlots = 1 << 14;

export class WordCache {
  /** Slots of four: key, key, length | count << 8, id or position in `ids`. */
  slots: Int32Array = new Int32Array(4 * firstSlots);
  /** Ids of the words that have more than one. */
  ids: Int32Array = new Int32Array(1 << 12);
  #mask = 4 * firstSlots - 1;
  #words = 0;
  #idCount = 0;
  #keys = new DataView(new ArrayBuffer(1 << 16));
  #keyEnd = 0;
  // Of the last miss: where the word belongs, and its keys.
  #slot = 0;
  #first = 0;
  #second = 0;

  /** The slot of the word `view[start .. start + length)`, or -1; eight bytes after the word must be readable. */
  find(view: DataView, start: number, length: number): number {
    if (length > 8) return this.#findLong(view, start, length);
    const slots = this.slots;
    const mask = this.#mask;
    const first = firstKey(view, start, length);
    const second = secondKey(view, start, length);
    const hash = shortHash(first, second, length);
    let slot = (hash << 2) & mask;
    for (;;) {
      const word = slots[slot + 2];
      if (slots[slot] === first && slots[slot + 1] === second && (word & 0xff) === length) return slot;
      if (word === 0) break;
      slot = (slot + 4) & mask;
    }
    this.#slot = slot;
    this.#first = first;
    this.#second = second;
    return -1;
  }

  #findLong(view: DataView, start: number, length: number): number {
    const slots = this.slots;
    const mask = this.#mask;
    const hash = longHash(view, start, length);
    let slot = (hash << 2) & mask;
    for (;;) {
      const word = slots[slot + 2];
      if (word === 0) break;
      if (
        slots[slot] === hash &&
        (word & 0xff) === length &&
        sameBytes(view, start, this.#keys, slots[slot + 1], length)
      ) {
        return slot;
      }
      slot = (slot + 4) & mask;
    }
    this.#slot = slot;
    this.#first = hash;
    return -1;
  }

  /** Stores the word that `find` has just missed, with its `count` ids; returns its slot. */
  add(view: DataView, start: number, length: number, ids: Int32Array, count: number): number {
    const slot = this.#slot;
    const slots = this.slots;
    slots[slot] = this.#first;
    slots[slot + 1] = length <= 8 ? this.#second : this.#storeKey(view, start, length);
    slots[slot + 2] = length | (count << 8);
    slots[slot + 3] = count === 1 ? ids[0] : this.#storeIds(ids, count);
    this.#words++;
    return slot;
  }

  /** Makes room for one more word. True when slots have moved: then `find` must be asked again before `add`. */
  settle(): boolean {
    if (this.#words >= maxWords || this.#idCount >= maxIds) this.#clear();
    else if (this.#words * 16 >= this.slots.length * 3) this.#grow();
    else return false;
    return true;
  }

  #clear(): void {
    this.slots.fill(0);
    this.#words = 0;
    this.#idCount = 0;
    this.#keyEnd = 0;
  }

  #grow(): void {
    const old = this.slots;
    const slots = new Int32Array(old.length * 2);
    const mask = slots.length - 1;
    for (let from = 0; from < old.length; from += 4) {
      if (old[from + 2] === 0) continue;
      let slot = (this.#hashOf(old, from) << 2) & mask;
      while (slots[slot + 2] !== 0) slot = (slot + 4) & mask;
      slots[slot] = old[from];
      slots[slot + 1] = old[from + 1];
      slots[slot + 2] = old[from + 2];
      slots[slot + 3] = old[from + 3];
    }
    this.slots = slots;
    this.#mask = mask;
  }

  #hashOf(slots: Int32Array, slot: number): number {
    const length = slots[slot + 2] & 0xff;
    if (length > 8) return slots[slot];
    return shortHash(slots[slot], slots[slot + 1], length);
  }

  #storeKey(view: DataView, start: number, length: number): number {
    const at = this.#keyEnd;
    if (at + length > this.#keys.byteLength) {
      const bytes = new Uint8Array(this.#keys.byteLength * 2);
      bytes.set(new Uint8Array(this.#keys.buffer));
      this.#keys = new DataView(bytes.buffer);
    }
    const keys = this.#keys;
    const end = length - 4;
    for (let i = 0; i < end; i += 4) keys.setInt32(at + i, view.getInt32(start + i, true), true);
    keys.setInt32(at + end, view.getInt32(start + end, true), true);
    this.#keyEnd = at + length;
    return at;
  }

  #storeIds(ids: Int32Array, count: number): number {
    const at = this.#idCount;
    if (at + count > this.ids.length) {
      const grown = new Int32Array(this.ids.length * 2);
      grown.set(this.ids);
      this.ids = grown;
    }
    for (let i = 0; i < count; i++) this.ids[at + i] = ids[i];
    this.#idCount = at + count;
    return at;
  }
}
