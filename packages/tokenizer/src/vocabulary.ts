// Everything a byte-level BPE knows about its tokens, immutable and shared by all tokenizers made from it: bytes of
// every token, ranks of merges, which whole characters merging may start from. Reading files is in read-tokenizer-json.ts
// and mimo.ts; merging is in bpe.ts.
import { PairTable } from './pair-table.ts';
import type { TokenBytes } from './token-bytes.ts';
import { TokenIndex } from './token-index.ts';
import { WholeChars } from './whole-chars.ts';

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

export type SplitRule =
  | 'qwen2'
  | 'llama3'
  | 'gpt2'
  | 'o200k'
  | 'digits'
  | 'digits-3'
  | 'digit-runs'
  | 'han-kana'
  | 'deepseek-v3';

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
  /** Outermost first. */
  readonly split: readonly SplitRule[];
  /** A word that is a token is that token, whatever the merges say. */
  readonly ignoreMerges: boolean;
  /** Ranks of the merges whose tokens begin or end inside a character and reach beyond it; found when not given. */
  readonly crossing?: readonly number[];
  /** Proven: every token of valid UTF-8 encodes to itself, so a word that is a token needs no merging. */
  readonly selfEncoding: boolean;
}

/** Words to merge before the index of whole words is worth building; until then merging finds the same ids. */
const wordsBeforeIndex = 500;

export class Vocabulary {
  readonly spec: TokenizerSpec;
  readonly pairs: PairTable;
  readonly byteIds: Int32Array;
  readonly chars: WholeChars;
  /** Ranks of the pairs of ASCII bytes, at `left * 128 + right`. */
  readonly asciiRanks: Int32Array = new Int32Array(128 * 128);
  /** Whether some byte that text can have stands for nothing. */
  readonly hasGaps: boolean;
  #index: TokenIndex | undefined;
  #asked = 0;

  constructor(spec: TokenizerSpec) {
    this.spec = spec;
    this.byteIds = spec.byteIds;
    this.hasGaps = spec.byteIds.some((id, byte) => id < 0 && (byte < 0xc0 || (byte > 0xc1 && byte < 0xf5)));
    this.pairs = new PairTable(spec.left, spec.right, spec.merged);
    this.chars = new WholeChars(spec, this.pairs);
    const { asciiRanks, byteIds, pairs } = this;
    for (let i = 0; i < asciiRanks.length; i++) asciiRanks[i] = pairs.rank(byteIds[i >> 7], byteIds[i & 127]);
  }

  /** Where a word that is a token is found without merging; undefined while, or where, that is of no use. */
  wholeWordIndex(): TokenIndex | undefined {
    if (this.#index !== undefined) return this.#index;
    const { ignoreMerges, selfEncoding } = this.spec;
    if (ignoreMerges || (selfEncoding && this.#asked++ >= wordsBeforeIndex)) this.indexWholeWords([]);
    return this.#index;
  }

  /** Makes the index, without the tokens that words must not be taken for: these and the special ones. */
  indexWholeWords(unreachable: readonly number[]): void {
    const { spec } = this;
    const special = spec.added.filter((token) => token.special).map((token) => token.id);
    this.#index = new TokenIndex(spec.tokens, spec.modelIds, new Set([...unreachable, ...special]));
  }
}
