// Text without added tokens → ids: normalise, UTF-8, split into words, look each up or merge it. Holds the buffers and the
// word cache of one tokenizer; the public interface is tokenizer.ts.
import { type PlainWords, plainWordBytes, plainWords } from './ascii-word.ts';
import { Merger } from './bpe.ts';
import { nfcFlags, normalizeNfc } from './nfc.ts';
import { scannerFor } from './pretokenize/rules.ts';
import type { Scanner } from './pretokenize/runs.ts';
import type { Vocabulary } from './vocabulary.ts';
import { maxWordBytes, WordCache } from './word-cache.ts';

const utf8 = new TextEncoder();
/** Buffers larger than this are given back after use. */
const keptBytes = 1 << 21;

export class Encoder {
  /** Ids since `start()`. */
  ids: Int32Array = new Int32Array(1 << 12);
  count = 0;
  /** The UTF-8 of the last text. */
  bytes!: Uint8Array;
  #words!: Int32Array;
  #view!: DataView;
  readonly #vocabulary: Vocabulary;
  readonly #scan: Scanner;
  readonly #plainWords: PlainWords;
  readonly #merger: Merger;
  readonly #cache = new WordCache();

  constructor(vocabulary: Vocabulary) {
    this.#vocabulary = vocabulary;
    this.#scan = scannerFor(vocabulary.spec.split);
    this.#plainWords = plainWords(vocabulary.spec.split);
    this.#merger = new Merger(vocabulary);
    this.#allocate(1 << 14);
  }

  /** Forgets the ids so far, and gives back what an unusually long text needed. */
  start(): void {
    this.count = 0;
    if (this.bytes.length > keptBytes) this.#allocate(1 << 14);
    if (this.ids.length > keptBytes) this.ids = new Int32Array(1 << 12);
    this.#merger.trim();
  }

  /** Appends one id. */
  push(id: number): void {
    if (this.count === this.ids.length) this.#reserve(1);
    this.ids[this.count++] = id;
  }

  /** Puts the text, normalised, into `bytes`; returns its length in bytes. */
  load(text: string): number {
    if (this.bytes.length < text.length * 3 + 16) this.#allocate(text.length * 3 + 16);
    let length = utf8.encodeInto(text, this.bytes).written;
    if (this.#vocabulary.spec.nfc && length > text.length) {
      const flags = nfcFlags(this.bytes, this.#words, length);
      const normal = normalizeNfc(text, flags);
      if (normal !== text) length = this.#loadNormal(normal);
    }
    return length;
  }

  #loadNormal(text: string): number {
    if (this.bytes.length < text.length * 3 + 16) this.#allocate(text.length * 3 + 16);
    return utf8.encodeInto(text, this.bytes).written;
  }

  /** Appends the ids of the first `length` loaded bytes. */
  encodeLoaded(length: number): void {
    if (this.ids.length - this.count < length) this.#reserve(length);
    const { bytes } = this;
    const view = this.#view;
    const scan = this.#scan;
    const plain = this.#plainWords;
    const cache = this.#cache;
    const byteIds = this.#vocabulary.byteIds;
    const out = this.ids;
    let count = this.count;
    let slots = cache.slots;
    for (let start = 0; start < length;) {
      let size = plainWordBytes(plain, bytes, view, start);
      if (size === 0 || start + size >= length) size = scan(bytes, start, length) - start;
      const end = start + size;
      if (size === 1) {
        const id = byteIds[bytes[start]];
        if (id >= 0) out[count++] = id;
      } else if (size <= maxWordBytes) {
        let slot = cache.find(view, start, size);
        if (slot < 0) {
          slot = this.#learn(start, end);
          slots = cache.slots;
        }
        const idCount = slots[slot + 2] >>> 8;
        const value = slots[slot + 3];
        if (idCount === 1) out[count++] = value;
        else {
          const ids = cache.ids;
          for (let i = 0; i < idCount; i++) out[count++] = ids[value + i];
        }
      } else {
        const idCount = this.#mergeWord(start, end);
        const ids = this.#merger.ids;
        for (let i = 0; i < idCount; i++) out[count++] = ids[i];
      }
      start = end;
    }
    this.count = count;
  }

  /** The number of ids of the first `length` loaded bytes. */
  countLoaded(length: number): number {
    const { bytes } = this;
    const view = this.#view;
    const scan = this.#scan;
    const plain = this.#plainWords;
    const cache = this.#cache;
    const byteIds = this.#vocabulary.byteIds;
    let count = 0;
    for (let start = 0; start < length;) {
      let size = plainWordBytes(plain, bytes, view, start);
      if (size === 0 || start + size >= length) size = scan(bytes, start, length) - start;
      const end = start + size;
      if (size === 1) count += byteIds[bytes[start]] >= 0 ? 1 : 0;
      else if (size <= maxWordBytes) {
        let slot = cache.find(view, start, size);
        if (slot < 0) slot = this.#learn(start, end);
        count += cache.slots[slot + 2] >>> 8;
      } else count += this.#mergeWord(start, end);
      start = end;
    }
    return count;
  }

  /** Encodes the word that the cache has just missed and remembers it; returns its slot. */
  #learn(start: number, end: number): number {
    const cache = this.#cache;
    if (cache.settle()) cache.find(this.#view, start, end - start);
    const count = this.#mergeWord(start, end);
    return cache.add(this.#view, start, end - start, this.#merger.ids, count);
  }

  /** The ids of one word in the merger's buffer. */
  #mergeWord(start: number, end: number): number {
    const merger = this.#merger;
    if (this.#vocabulary.hasGaps && this.#hasGap(start, end)) return merger.mergeGapped(this.bytes, start, end);
    const index = this.#vocabulary.wholeWordIndex();
    if (index !== undefined) {
      const id = index.find(this.#view, start, end - start);
      if (id >= 0) {
        merger.ids[0] = id;
        return 1;
      }
    }
    return merger.merge(this.bytes, start, end);
  }

  #hasGap(start: number, end: number): boolean {
    const byteIds = this.#vocabulary.byteIds;
    for (let at = start; at < end; at++) if (byteIds[this.bytes[at]] < 0) return true;
    return false;
  }

  #allocate(size: number): void {
    const buffer = new ArrayBuffer((size + 7) & ~7);
    this.bytes = new Uint8Array(buffer);
    this.#words = new Int32Array(buffer);
    this.#view = new DataView(buffer);
  }

  #reserve(more: number): void {
    const ids = new Int32Array(Math.max(this.ids.length * 2, this.count + more));
    ids.set(this.ids.subarray(0, this.count));
    this.ids = ids;
  }
}
