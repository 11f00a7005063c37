// Byte-pair encoding of a word without merging: at each place the longest token that can stand behind the one before, and
// a step back where none can. A sequence whose neighbours can all stand side by side is the one that merging makes (the
// algorithm of GitHub's rust-gems `bpe`). A place that has failed is not tried again, so the time is linear.
import { Neighbours } from './neighbours.ts';
import type { PairTable } from './pair-table.ts';
import { idBits, idMask, longestToken, TokenTrie } from './token-trie.ts';
import type { TokenizerSpec } from './vocabulary.ts';

/** Marks of longer words are not kept. */
const keptMarks = 1 << 16;

export class LongestFit {
  readonly #trie: TokenTrie;
  readonly #neighbours: Neighbours;
  readonly #offsets: Int32Array;
  /** By place in the word: no way leads on from there. Clear between words. */
  #failed = new Uint8Array(256);

  /** What can be done for this vocabulary; `unreachable` are the tokens that their own bytes do not merge into. */
  static for(spec: TokenizerSpec, pairs: PairTable, unreachable: ReadonlySet<number>): LongestFit | undefined {
    const { byteIds, tokens, modelIds } = spec;
    const base = pairs.mergedBase;
    if (base < 256 || base > 1024 || byteIds.some((id) => id < 0 || id >= base)) return undefined;
    for (let id = 0; id < modelIds; id++)
      if (tokens.offsets[id + 1] - tokens.offsets[id] > longestToken && !unreachable.has(id)) return undefined;
    const trie = new TokenTrie(tokens, byteIds, modelIds, unreachable);
    return trie.isComplete ? new LongestFit(trie, new Neighbours(spec, pairs), tokens.offsets) : undefined;
  }

  private constructor(trie: TokenTrie, neighbours: Neighbours, offsets: Int32Array) {
    this.#trie = trie;
    this.#neighbours = neighbours;
    this.#offsets = offsets;
  }

  /** Writes the ids of `bytes[start .. end)`, valid UTF-8, to `out` from `count` on; returns where they end. */
  encode(bytes: Uint8Array, start: number, end: number, out: Int32Array, count: number): number {
    const trie = this.#trie;
    const neighbours = this.#neighbours;
    const { shorter } = trie;
    if (this.#failed.length <= end - start) this.#failed = new Uint8Array(end - start + 1);
    const failed = this.#failed;
    const first = count;
    let hasFailed = false;
    let last = -1;
    for (let at = start; at < end;) {
      let match = trie.longest(bytes, at, end);
      for (;;) {
        if (match === 0) {
          // No token is left here: the one before must be shorter.
          failed[at - start] = 1;
          hasFailed = true;
          const taken = out[--count];
          at -= this.#offsets[taken + 1] - this.#offsets[taken];
          last = count > first ? out[count - 1] : -1;
          match = shorter[taken];
          continue;
        }
        const token = match & idMask;
        const to = at + (match >> idBits);
        if (failed[to - start] === 0 && (last < 0 || neighbours.fit(last, token, (bytes[at] & 0xc0) !== 0x80))) {
          out[count++] = last = token;
          at = to;
          break;
        }
        match = shorter[token];
      }
    }
    if (end - start > keptMarks) this.#failed = new Uint8Array(256);
    else if (hasFailed) failed.fill(0, 0, end - start + 1);
    return count;
  }
}
