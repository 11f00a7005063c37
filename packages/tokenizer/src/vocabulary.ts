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
  /** Proven: every token of valid UTF-8 encodes to itself, so a word that is a token needs no merging. */
  readonly selfEncoding: boolean;
}

export class Vocabulary {
  readonly spec: TokenizerSpec;
  readonly tokens: TokenBytes;
  readonly pairs: PairTable;
  readonly index: TokenIndex;
  readonly byteIds: Int32Array;
  /** A word equal to a token's bytes is that token. */
  readonly wholeWords: boolean;
  readonly chars: WholeChars;

  constructor(spec: TokenizerSpec) {
    this.spec = spec;
    this.tokens = spec.tokens;
    this.byteIds = spec.byteIds;
    this.pairs = new PairTable(spec.left, spec.right, spec.merged);
    const hidden = new Set(spec.added.filter((token) => token.special).map((token) => token.id));
    this.index = new TokenIndex(spec.tokens, spec.modelIds, hidden);
    this.wholeWords = spec.ignoreMerges || spec.selfEncoding;
    this.chars = new WholeChars(spec, this.pairs);
  }
}
