// Word → ids, for words already seen: open addressing in typed arrays, no allocation per word, bounded. A slot is four
// 32-bit words: two of key, length and count, and the id (or where the ids are). Words of up to eight bytes are their own
// key; longer ones are compared with a copy of their bytes.

/** Longer words are merged every time. */
export const maxWordBytes = 128;
const maxWords = 1 << 17;
const maxIds = 1 << 20;

const lowBytes = Int32Array.of(0, 0xff, 0xffff, 0xffffff, -1);

export class WordCache {
  /** Slots of four: key, key, length | count << 8, id or position in `ids`. */
  slots: Int32Array = new Int32Array(4 << 12);
  /** Ids of the words that have more than one. */
  ids: Int32Array = new Int32Array(1 << 12);
  #mask = (4 << 12) - 1;
  #words = 0;
  #idCount = 0;
  #keys = new Uint8Array(1 << 14);
  #keyView = new DataView(this.#keys.buffer);
  #keyEnd = 0;
  #slot = 0;
  #key0 = 0;
  #key1 = 0;

  /** The slot of the word `view[start .. start + length)`, or -1; four bytes after the word must be readable. */
  find(view: DataView, start: number, length: number): number {
    const slots = this.slots;
    const mask = this.#mask;
    if (length <= 8) {
      let key0 = view.getInt32(start, true);
      let key1 = 0;
      if (length < 4) key0 &= lowBytes[length];
      else if (length > 4) key1 = view.getInt32(start + length - 4, true);
      let hash = Math.imul(key0, 0x9e3779b1) ^ Math.imul(key1, 0x85ebca6b) ^ length;
      hash ^= hash >>> 15;
      hash = Math.imul(hash, 0x2c1b3c6d);
      let slot = ((hash ^ (hash >>> 14)) << 2) & mask;
      for (;;) {
        const word = slots[slot + 2];
        if (word === 0) break;
        if (slots[slot] === key0 && slots[slot + 1] === key1 && (word & 0xff) === length) return slot;
        slot = (slot + 4) & mask;
      }
      this.#slot = slot;
      this.#key0 = key0;
      this.#key1 = key1;
      return -1;
    }
    return this.#findLong(view, start, length);
  }

  #findLong(view: DataView, start: number, length: number): number {
    const slots = this.slots;
    const mask = this.#mask;
    const tail = start + length - 4;
    let hash = length;
    for (let at = start; at < tail; at += 4) {
      hash = Math.imul(hash ^ view.getInt32(at, true), 0x9e3779b1);
      hash ^= hash >>> 15;
    }
    hash = Math.imul(hash ^ view.getInt32(tail, true), 0x85ebca6b);
    hash ^= hash >>> 14;
    const keys = this.#keyView;
    let slot = (hash << 2) & mask;
    for (;;) {
      const word = slots[slot + 2];
      if (word === 0) break;
      if (slots[slot] === hash && (word & 0xff) === length) {
        const key = slots[slot + 1];
        let at = 0;
        const end = length - 4;
        while (at < end && keys.getInt32(key + at, true) === view.getInt32(start + at, true)) at += 4;
        if (at >= end && keys.getInt32(key + end, true) === view.getInt32(tail, true)) return slot;
      }
      slot = (slot + 4) & mask;
    }
    this.#slot = slot;
    this.#key0 = hash;
    this.#key1 = -1;
    return -1;
  }

  /** Stores the word that `find` has just missed, with its `count` ids; returns its slot. */
  add(bytes: Uint8Array, start: number, length: number, ids: Int32Array, count: number): number {
    const slot = this.#slot;
    const slots = this.slots;
    slots[slot] = this.#key0;
    slots[slot + 1] = length <= 8 ? this.#key1 : this.#storeKey(bytes, start, length);
    slots[slot + 2] = length | (count << 8);
    slots[slot + 3] = count === 1 ? ids[0] : this.#storeIds(ids, count);
    this.#words++;
    return slot;
  }

  /** Makes room for one more word. True when slots have moved: then `find` must be asked again before `add`. */
  settle(): boolean {
    if (this.#words >= maxWords || this.#idCount >= maxIds) this.#clear();
    else if (this.#words * 2 >= this.slots.length >> 2) this.#grow();
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
    let hash = Math.imul(slots[slot], 0x9e3779b1) ^ Math.imul(slots[slot + 1], 0x85ebca6b) ^ length;
    hash ^= hash >>> 15;
    hash = Math.imul(hash, 0x2c1b3c6d);
    return hash ^ (hash >>> 14);
  }

  #storeKey(bytes: Uint8Array, start: number, length: number): number {
    const at = this.#keyEnd;
    if (at + length > this.#keys.length) {
      const keys = new Uint8Array(this.#keys.length * 2);
      keys.set(this.#keys);
      this.#keys = keys;
      this.#keyView = new DataView(keys.buffer);
    }
    const keys = this.#keys;
    for (let i = 0; i < length; i++) keys[at + i] = bytes[start + i];
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
