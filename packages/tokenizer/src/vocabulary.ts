// Everything a byte-level BPE knows about its tokens, immutable and shared by all tokenizers made from it: bytes of
// every token, ranks of merges, which whole characters may be merged first. Reading files is in read-tokenizer-json.ts
// and mimo.ts; merging is in bpe.ts.
import { PairTable } from './pair-table.ts';
import { type TokenBytes } from './token-bytes.ts';
import { TokenIndex } from './token-index.ts';

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
  /** By code point below 0x10000: its token, -1 when its bytes must be merged one by one, -2 not looked at yet. */
  readonly #charIds = new Int32Array(0x10000).fill(-2);
  readonly #crossing: { ends: Map<number, number>; starts: Map<number, number> };

  constructor(spec: TokenizerSpec) {
    this.spec = spec;
    this.tokens = spec.tokens;
    this.byteIds = spec.byteIds;
    this.pairs = new PairTable(spec.left, spec.right, spec.merged);
    this.index = new TokenIndex(
      spec.tokens,
      spec.modelIds,
      new Set(spec.added.filter((token) => token.special).map((token) => token.id)),
    );
    this.wholeWords = spec.ignoreMerges || spec.selfEncoding;
    this.#crossing = crossingRanks(spec);
  }

  /**
   * The token of the character of `length` bytes at `at`, if its bytes are sure to merge into it before any of them can
   * merge across the character's edges; otherwise -1.
   */
  charId(codePoint: number, bytes: Uint8Array, at: number, length: number): number {
    if (codePoint >= 0x10000) return -1;
    const known = this.#charIds[codePoint];
    if (known !== -2) return known;
    const id = this.#mergeFirst(bytes, at, length);
    this.#charIds[codePoint] = id;
    return id;
  }

  // Merges the character alone; its greatest rank must be below every merge that joins a part of it to a neighbour.
  // Until the character is whole one of its own merges is possible, so such a merge is never the next one.
  #mergeFirst(bytes: Uint8Array, at: number, length: number): number {
    const ids: number[] = [];
    for (let i = 0; i < length; i++) ids.push(this.byteIds[bytes[at + i]]);
    let greatest = -1;
    while (ids.length > 1) {
      let best = 0;
      const ranks = ids.slice(1).map((id, i) => this.pairs.rank(ids[i], id));
      for (let i = 1; i < ranks.length; i++) if (ranks[i] < ranks[best]) best = i;
      const merged = this.pairs.merged[ranks[best]];
      if (merged === undefined) return -1;
      greatest = Math.max(greatest, ranks[best]);
      ids.splice(best, 2, merged);
    }
    for (let cut = 1; cut < length; cut++) {
      const before = this.#crossing.ends.get(partKey(bytes, at, at + cut));
      const after = this.#crossing.starts.get(partKey(bytes, at + cut, at + length));
      if ((before !== undefined && before <= greatest) || (after !== undefined && after <= greatest)) return -1;
    }
    return ids[0];
  }
}

function partKey(bytes: Uint8Array, start: number, end: number): number {
  let key = 0;
  for (let i = start; i < end; i++) key = (key << 8) | bytes[i];
  return key;
}

const isContinuation = (byte: number): boolean => (byte & 0xc0) === 0x80;

/**
 * The least rank of the merges whose token reaches beyond a part of a character: `ends` by the part it ends with (lead
 * byte first), `starts` by the part it starts with (continuation bytes).
 */
function crossingRanks(spec: TokenizerSpec): { ends: Map<number, number>; starts: Map<number, number> } {
  const ends = new Map<number, number>();
  const starts = new Map<number, number>();
  const { bytes, offsets } = spec.tokens;
  const note = (map: Map<number, number>, key: number, rank: number): void => {
    const known = map.get(key);
    if (known === undefined || known > rank) map.set(key, rank);
  };
  for (let rank = 0; rank < spec.merged.length; rank++) {
    const from = offsets[spec.merged[rank]];
    const to = offsets[spec.merged[rank] + 1];
    if (isContinuation(bytes[from])) {
      let cut = from + 1;
      while (cut < to && isContinuation(bytes[cut])) cut++;
      if (cut < to && cut - from < 4) note(starts, partKey(bytes, from, cut), rank);
    }
    if (bytes[to - 1] < 0x80) continue;
    let lead = to - 1;
    while (lead > from && isContinuation(bytes[lead])) lead--;
    const held = to - lead;
    const wanted = bytes[lead] < 0xe0 ? 2 : bytes[lead] < 0xf0 ? 3 : 4;
    if (lead > from && held < wanted) note(ends, partKey(bytes, lead, to), rank);
  }
  return { ends, starts };
}
