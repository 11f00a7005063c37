// Word → ids, for words already merged: bounded, no allocation per word.
import { inlineBytes, WordTable } from './word-table.ts';

/** Longer words are merged every time. */
export const maxWordBytes = 128;
const maxWords = 1 << 17;
const maxIds = 1 << 20;

export class WordCache {
  /** At the position of a word: how many ids it has, then the ids. */
  ids: Int32Array = new Int32Array(1 << 12);
  #idEnd = 0;
  #keys = new Uint8Array(1 << 14);
  #keyEnd = 0;
  readonly #table = new WordTable(13, new DataView(this.#keys.buffer));

  /** Where a word's ids are, or -1. */
  find(view: DataView, start: number, length: number): number {
    return this.#table.find(view, start, length);
  }

  /** Remembers the word that `find` has just missed: its `count` ids are those of `ids` from `from` on. */
  add(view: DataView, start: number, length: number, ids: Int32Array, from: number, count: number): void {
    const at = this.#idEnd;
    this.#idEnd = at + count + 1;
    // Four ids behind the last are read, too.
    if (at + count + 8 > this.ids.length) {
      const grown = new Int32Array(this.ids.length * 2);
      grown.set(this.ids);
      this.ids = grown;
    }
    this.ids[at] = count;
    for (let i = 0; i < count; i++) this.ids[at + 1 + i] = ids[from + i];
    this.#table.add(view, start, length, length > inlineBytes ? this.#storeKey(view, start, length) : 0, at);
    if (this.#table.size >= maxWords || this.#idEnd >= maxIds) this.#clear();
  }

  #clear(): void {
    this.#table.clear();
    this.#idEnd = 0;
    this.#keyEnd = 0;
  }

  #storeKey(view: DataView, start: number, length: number): number {
    const at = this.#keyEnd;
    if (at + length > this.#keys.length) {
      const bytes = new Uint8Array(this.#keys.length * 2);
      bytes.set(this.#keys);
      this.#keys = bytes;
      this.#table.keys = new DataView(bytes.buffer);
    }
    const keys = this.#table.keys;
    const end = length - 4;
    for (let i = 0; i < end; i += 4) keys.setInt32(at + i, view.getInt32(start + i, true), true);
    keys.setInt32(at + end, view.getInt32(start + end, true), true);
    this.#keyEnd = at + length;
    return at;
  }
}
