// Which tokens of a vocabulary that nobody has proven cannot come from merging: those that their own bytes do not merge into.
import { Merger } from './bpe.ts';
import type { Vocabulary } from './vocabulary.ts';

/** The ids, below the model's own, of the tokens that do not encode to themselves. */
export function unreachableTokens({ spec, pairs }: Vocabulary): Set<number> {
  const { tokens, modelIds } = spec;
  const { bytes, offsets } = tokens;
  const merger = new Merger(spec.byteIds, pairs);
  const found = new Set<number>();
  for (let id = 0; id < modelIds; id++) {
    const from = offsets[id];
    const to = offsets[id + 1];
    if (to > from && (merger.merge(bytes, from, to) !== 1 || merger.ids[0] !== id)) found.add(id);
  }
  return found;
}
