// A tokenizer from a file. MiMo's own (mimo.ts) needs none of this.
import { TwoRoundFinder } from './normalized-tokens.ts';
import { readTokenizerJson } from './read-tokenizer-json.ts';
import { type Tokenizer, tokenizerFor } from './tokenizer.ts';
import { Vocabulary } from './vocabulary.ts';
import { unreachableTokens } from './whole-words.ts';

/**
 * A tokenizer from a Hugging Face `tokenizer.json`, given as text or parsed. Throws `tokenizer-unsupported` naming the
 * component when a part is not known, `tokenizer-malformed` naming the field when the file does not hang together.
 */
export function createTokenizer(json: unknown): Tokenizer {
  const vocabulary = new Vocabulary(readTokenizerJson(json));
  vocabulary.build(unreachableTokens(vocabulary));
  const { added } = vocabulary.spec;
  return tokenizerFor(vocabulary, added.some((token) => token.normalized) ? new TwoRoundFinder(added) : undefined);
}
