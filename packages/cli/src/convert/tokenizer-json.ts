// The tokenizer inside a GGUF file → tokenizer.json and tokenizer_config.json, the chat template included. Which split and which
// normaliser a GGUF means is a name; only those known here are taken.
import { MimoError } from '@mimokit/protocol';
import type { GgufFile } from './gguf-file.ts';

/** ggml's kinds of tokens that are found in the text as they stand. */
const control = 3;
const userDefined = 4;
/** Rows of the embedding that stand for nothing. */
const unused = 5;

const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true };
const qwen2Split = String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`;

/** By `tokenizer.ggml.pre`. */
const pretokenizers: Readonly<Record<string, { normalizer: unknown; parts: readonly unknown[] }>> = {
  smollm: { normalizer: null, parts: [{ type: 'Digits', individual_digits: true }, byteLevel] },
  qwen2: {
    normalizer: { type: 'NFC' },
    parts: [
      { type: 'Split', pattern: { Regex: qwen2Split }, behavior: 'Isolated', invert: false },
      { ...byteLevel, use_regex: false },
    ],
  },
};

interface AddedToken {
  readonly id: number;
  readonly content: string;
  readonly single_word: boolean;
  readonly lstrip: boolean;
  readonly rstrip: boolean;
  readonly normalized: boolean;
  readonly special: boolean;
}

export interface TokenizerFiles {
  readonly tokenizer: Record<string, unknown>;
  readonly config: Record<string, unknown>;
}

/** Throws `tokenizer-unsupported` naming the kind that is not known, `checkpoint-malformed` where lists do not fit together. */
export function tokenizerFiles(file: GgufFile, context: number): TokenizerFiles {
  const pre = file.text('tokenizer.ggml.pre');
  const kind = file.text('tokenizer.ggml.model');
  const known = Object.hasOwn(pretokenizers, pre) ? pretokenizers[pre] : undefined;
  if (kind !== 'gpt2' || known === undefined) {
    throw new MimoError('tokenizer-unsupported', `${file.path} has a tokenizer ${kind} with the split ${pre}.`, {
      hint: `Byte-level BPE (gpt2) is converted with these splits: ${Object.keys(pretokenizers).join(', ')}.`,
      component: `tokenizer.ggml.pre: ${pre}`,
    });
  }
  const tokens = file.texts('tokenizer.ggml.tokens');
  const kinds = file.numbers('tokenizer.ggml.token_type');
  const added = addedTokens(tokens, kinds);
  const vocab = Object.fromEntries(tokens.flatMap((token, id) => (kinds[id] === unused ? [] : [[token, id]])));
  return {
    tokenizer: {
      version: '1.0',
      truncation: null,
      padding: null,
      added_tokens: added,
      normalizer: known.normalizer,
      pre_tokenizer: { type: 'Sequence', pretokenizers: known.parts },
      post_processor: null,
      decoder: { ...byteLevel, add_prefix_space: true },
      model: {
        type: 'BPE',
        dropout: null,
        unk_token: null,
        continuing_subword_prefix: null,
        end_of_word_suffix: null,
        fuse_unk: false,
        byte_fallback: false,
        ignore_merges: false,
        vocab,
        merges: file.texts('tokenizer.ggml.merges').map((merge) => merge.split(' ')),
      },
    },
    config: tokenizerConfig(file, tokens, added, context),
  };
}

function addedTokens(tokens: readonly string[], kinds: readonly number[]): AddedToken[] {
  const plain = { single_word: false, lstrip: false, rstrip: false, normalized: false };
  return tokens.flatMap((content, id) =>
    kinds[id] === control || kinds[id] === userDefined
      ? [{ id, content, ...plain, special: kinds[id] === control }]
      : [],
  );
}

function tokenizerConfig(
  file: GgufFile,
  tokens: readonly string[],
  added: readonly AddedToken[],
  context: number,
): Record<string, unknown> {
  const names: Record<string, string> = {};
  for (const [ours, theirs] of Object.entries({ bos: 'bos', eos: 'eos', pad: 'padding', unk: 'unknown' })) {
    const key = `tokenizer.ggml.${theirs}_token_id`;
    if (file.has(key)) names[`${ours}_token`] = tokens[file.count(key, 0, tokens.length - 1)];
  }
  return {
    tokenizer_class: 'GPT2Tokenizer',
    add_prefix_space: false,
    clean_up_tokenization_spaces: false,
    added_tokens_decoder: Object.fromEntries(added.map(({ id, ...token }) => [id, token])),
    ...names,
    model_max_length: context,
    ...(file.has('tokenizer.chat_template') && { chat_template: file.text('tokenizer.chat_template') }),
  };
}
