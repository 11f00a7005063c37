// Everything a byte-level BPE knows about its tokens, immutable and shared by all tokenizers made from it: bytes of
// every token, ranks of merges, and what makes encoding words faster than merging them. Reading files is in read-tokenizer-json.ts
// and mimo.ts; merging is in bpe.ts.
import type { Merge } from './bpe.ts';
import { LongestFit } from './longest-fit.ts';
import { PairTable } from './pair-table.ts';
import type { Splitter } from './pretokenize/pieces.ts';
import type { TokenBytes } from './token-bytes.ts';
import { WordTable } from './word-table.ts';

export interface AddedToken {
  readonly id: number;
  readonly content: string;
  /** Dropped by `skipSpecial`. */
  readonly special: boolean;
  /** Searched in the normalised text instead of the raw one. */
  readonly normalized: boolean;
  /** Swallows the white space before or after it. */
  readonly lstrip: boolean;
  readonly rstrip: boolean;
}

/** A tokenizer as data, from any source. */
export interface TokenizerSpec {
  readonly tokens: TokenBytes;
  /** Ids of the model's own vocabulary are below this; added tokens may be below or above. */
  readonly modelIds: number;
  /** The id of each single byte, -1 where the vocabulary has none. */
  readonly byteIds: Int32Array;
  readonly left: Int32Array;
  readonly right: Int32Array;
  readonly merged: Int32Array;
  readonly added: readonly AddedToken[];
  readonly nfc: boolean;
  /** Makes what cuts a text into words. */
  readonly splitter: () => Splitter;
  /** A word that is a token is that token, whatever the merges say. */
  readonly ignoreMerges: boolean;
  /** Proven: every token encodes to itself, so a word that is a token needs no merging, and `longestFit` can be built. */
  readonly selfEncoding: boolean;
  /** Merges long words (merge-long.ts); needed unless `selfEncoding`. */
  readonly mergeLong?: Merge;
}

/** Short words to merge before what makes it faster is worth building; until then merging finds the same ids. */
const wordsBeforeBuilding = 500;
/** A word of so many bytes takes as long to merge as this many short ones. */
const shortWords = (bytes: number): number => 1 + (bytes * bytes) / 2048;

export class Vocabulary {
  readonly spec: TokenizerSpec;
  readonly pairs: PairTable;
  /** Whether some byte that text can have stands for nothing. */
  readonly hasGaps: boolean;
  /** Words that are tokens: id by bytes. Empty until it is built. */
  words: WordTable = new WordTable(4, new DataView(new ArrayBuffer(0)));
  /** Encodes words that are none; undefined until it is built, and where merging is the only way. */
  longestFit: LongestFit | undefined;
  #merged = 0;

  constructor(spec: TokenizerSpec) {
    this.spec = spec;
    this.hasGaps = spec.byteIds.some((id, byte) => id < 0 && (byte < 0xc0 || (byte > 0xc1 && byte < 0xf5)));
    this.pairs = new PairTable(spec.left, spec.right, spec.merged);
  }

  /** To be told of each word before it is merged: builds what makes that faster when it has come to be worth while. */
  countMerge(bytes: number): void {
    if (!this.spec.selfEncoding || this.longestFit !== undefined) return;
    this.#merged += shortWords(bytes);
    if (this.#merged >= wordsBeforeBuilding) this.build(new Set());
  }

  /** Builds `words` and `longestFit`; `unreachable` are the tokens that do not encode to themselves. */
  build(unreachable: ReadonlySet<number>): void {
    const { spec } = this;
    // A word must never become a special token, nor one that merging does not make unless merging is not asked.
    const hidden = new Set(spec.ignoreMerges ? [] : unreachable);
    for (const token of spec.added) if (token.special) hidden.add(token.id);
    const { bytes, offsets } = spec.tokens;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const words = new WordTable(4, view);
    words.reserve(spec.modelIds);
    for (let id = 0; id < spec.modelIds; id++) {
      const from = offsets[id];
      const length = offsets[id + 1] - from;
      if (length > 0 && !hidden.has(id) && words.find(view, from, length) < 0) words.add(view, from, length, from, id);
    }
    this.words = words;
    this.longestFit = LongestFit.for(spec, this.pairs, unreachable);
  }
}
