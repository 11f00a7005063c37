// Which tokens of a vocabulary that nobody has proven are safe to take for a whole word: those that their own bytes merge
// into. A few in some vocabularies are out of reach of the merges.
import { Merger } from './bpe.ts';
import { charBytes } from './char-class.ts';
import type { Vocabulary } from './vocabulary.ts';

/** The ids, below the model's own, of the tokens that do not encode to themselves. */
export function unreachableTokens(vocabulary: Vocabulary): number[] {
  const { tokens, modelIds } = vocabulary.spec;
  const { bytes, offsets } = tokens;
  const merger = new Merger(vocabulary);
  const found: number[] = [];
  for (let id = 0; id < modelIds; id++) {
    const from = offsets[id];
    const to = offsets[id + 1];
    // Only valid UTF-8 can be a word, and only that may be merged.
    if (!isWholeCharacters(bytes, from, to)) continue;
    if (to > from && (merger.merge(bytes, from, to) !== 1 || merger.ids[0] !== id)) found.push(id);
  }
  return found;
}

/** True for valid UTF-8, as far as merging relies on it: every lead byte has its continuation bytes, and none is left over. */
function isWholeCharacters(bytes: Uint8Array, from: number, to: number): boolean {
  let at = from;
  while (at < to) {
    const lead = bytes[at];
    if (lead >= 0x80 && (lead < 0xc2 || lead > 0xf4)) return false;
    // An overlong form would stand for another character.
    if (lead === 0xe0 && bytes[at + 1] < 0xa0) return false;
    const end = at + charBytes(lead);
    if (end > to) return false;
    for (at++; at < end; at++) if ((bytes[at] & 0xc0) !== 0x80) return false;
  }
  return true;
}
