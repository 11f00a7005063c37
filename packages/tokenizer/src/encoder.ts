// Text without added tokens → ids: normalise, UTF-8, split into words, look each up or merge it. Holds the buffers and the
// word cache of one tokenizer; the public interface is tokenizer.ts.
import { Merger } from './bpe.ts';
import { composing } from './char-class.ts';
import { normalizeNfc } from './nfc.ts';
import { pieceStarts, type Splitter } from './pretokenize/pieces.ts';
import type { Vocabulary } from './vocabulary.ts';
import { maxWordBytes, WordCache } from './word-cache.ts';
import { inlineBytes, inlineHash, mask0, mask1, mask2 } from './word-table.ts';

const utf8 = new TextEncoder();
/** Buffers larger than this are given back after use. */
const keptBytes = 1 << 21;
const starts = pieceStarts;
const m0 = mask0;
const m1 = mask1;
const m2 = mask2;

/** What one text needs while it is encoded: one for all tokenizers of a thread, as nothing waits in between. */
const scratch = {
  bytes: new Uint8Array(0),
  view: new DataView(new ArrayBuffer(0)),
  ids: new Int32Array(1 << 12),
};

export class Encoder {
  /** Number of ids since `start()`. */
  count = 0;
  readonly #vocabulary: Vocabulary;
  readonly #splitter: Splitter;
  readonly #merger: Merger;
  readonly #cache = new WordCache();
  /** Number of ids of the last text. */
  #counted = 0;

  constructor(vocabulary: Vocabulary) {
    this.#vocabulary = vocabulary;
    this.#splitter = vocabulary.spec.splitter();
    const { byteIds, mergeLong } = vocabulary.spec;
    this.#merger = new Merger(byteIds, vocabulary.pairs, mergeLong);
  }

  /** Ids since `start()`, of this or another encoder. */
  get ids(): Int32Array {
    return scratch.ids;
  }

  /** The UTF-8 of the last text. */
  get bytes(): Uint8Array {
    return scratch.bytes;
  }

  /** Forgets the ids so far, and gives back what an unusually long text needed. */
  start(): void {
    this.count = 0;
    if (scratch.bytes.length > keptBytes) allocate(1 << 14);
    if (scratch.ids.length > keptBytes) scratch.ids = new Int32Array(1 << 12);
    this.#merger.trim();
  }

  /** Appends one id. */
  push(id: number): void {
    if (this.count === scratch.ids.length) reserve(this.count, 1);
    scratch.ids[this.count++] = id;
  }

  /** Appends the ids of a text without added tokens; returns the length of its UTF-8, normalised, in `bytes`. */
  encodeText(text: string, keepsIds = true): number {
    const splitter = this.#splitter;
    const { nfc } = this.#vocabulary.spec;
    const before = this.count;
    let length = this.#load(nfc && splitter.flags < 0 ? normalizeNfc(text) : text);
    this.#encodeLoaded(length, keepsIds);
    // Nearly all text is in NFC. The splitter has seen whether it may not be.
    if (nfc && splitter.flags >= 0 && (splitter.flags & composing) !== 0) {
      const normal = normalizeNfc(text);
      if (normal !== text) {
        this.count = before;
        length = this.#load(normal);
        this.#encodeLoaded(length, keepsIds);
      }
    }
    return length;
  }

  /** The number of ids of a text, without keeping more of them than those of a block. */
  countText(text: string): number {
    this.encodeText(text, false);
    return this.#counted;
  }

  #load(text: string): number {
    if (scratch.bytes.length < text.length * 3 + 16) allocate(text.length * 3 + 16);
    const length = utf8.encodeInto(text, scratch.bytes).written;
    // White space before the end is as white space before white space.
    scratch.bytes[length] = 0x20;
    return length;
  }

  /** Appends the ids of the first `length` loaded bytes. */
  #encodeLoaded(length: number, keepsIds: boolean): void {
    const splitter = this.#splitter;
    this.#counted = 0;
    splitter.begin();
    for (;;) {
      const words = splitter.next(scratch.bytes, scratch.view, length);
      if (words === 0) return;
      const done = starts[0];
      const more = starts[words] - done + 8;
      const before = this.count;
      if (scratch.ids.length - before < more) {
        // As many as the rest will have when it is like what is done: a long text is then copied once, not at every doubling.
        const rest = keepsIds && done > 0 ? Math.ceil(((this.#counted * 1.125) / done) * (length - done)) : 0;
        reserve(before, Math.max(more, rest));
      }
      this.#encodeWords(words);
      this.#counted += this.count - before;
      if (!keepsIds) this.count = before;
    }
  }

  #encodeWords(words: number): void {
    const view = scratch.view;
    const out = scratch.ids;
    let { slots, shift } = this.#vocabulary.words;
    let count = this.count;
    let start = starts[0];
    for (let word = 1; word <= words; word++) {
      const end = starts[word];
      const size = end - start;
      if (size <= inlineBytes) {
        const a = view.getInt32(start, true) & m0[size];
        const b = view.getInt32(start + 4, true) & m1[size];
        const c = view.getInt32(start + 8, true) & m2[size];
        const slot = (inlineHash(a, b, c) >>> shift) << 2;
        const last = slots[slot + 3];
        if (slots[slot] === a && slots[slot + 1] === b && slots[slot + 2] === c && (last & 15) === size) {
          out[count++] = last >>> 4;
          start = end;
          continue;
        }
      }
      count = this.#encodeWord(start, size, count);
      ({ slots, shift } = this.#vocabulary.words);
      start = end;
    }
    this.count = count;
  }

  #encodeWord(start: number, size: number, count: number): number {
    const out = scratch.ids;
    const view = scratch.view;
    const cache = this.#cache;
    if (size > maxWordBytes) return this.#mergeWord(start, start + size, out, count);
    const at = cache.find(view, start, size);
    if (at < 0) {
      const end = this.#mergeWord(start, start + size, out, count);
      cache.add(view, start, size, out, count, end - count);
      return end;
    }
    const { ids } = cache;
    const idCount = ids[at];
    out[count] = ids[at + 1];
    out[count + 1] = ids[at + 2];
    out[count + 2] = ids[at + 3];
    out[count + 3] = ids[at + 4];
    for (let i = 4; i < idCount; i++) out[count + i] = ids[at + 1 + i];
    return count + idCount;
  }

  /** Writes the ids of one word to `out` from `count` on; returns where they end. */
  #mergeWord(start: number, end: number, out: Int32Array, count: number): number {
    const vocabulary = this.#vocabulary;
    vocabulary.countMerge(end - start);
    const { longestFit } = vocabulary;
    // Few long words are tokens, and the longest fit finds those too, unless merges do not count.
    if (end - start <= inlineBytes || longestFit === undefined || vocabulary.spec.ignoreMerges) {
      const id = vocabulary.words.find(scratch.view, start, end - start);
      if (id >= 0) {
        out[count] = id;
        return count + 1;
      }
    }
    if (longestFit !== undefined) return longestFit.encode(scratch.bytes, start, end, out, count);
    const merger = this.#merger;
    const merged = merger.merge(scratch.bytes, start, end);
    for (let i = 0; i < merged; i++) out[count + i] = merger.ids[i];
    return count + merged;
  }
}

function allocate(size: number): void {
  const buffer = new ArrayBuffer(size);
  scratch.bytes = new Uint8Array(buffer);
  scratch.view = new DataView(buffer);
}

function reserve(count: number, more: number): void {
  const ids = new Int32Array(Math.max(scratch.ids.length * 2, count + more));
  ids.set(scratch.ids.subarray(0, count));
  scratch.ids = ids;
}
