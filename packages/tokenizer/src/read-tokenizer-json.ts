// A Hugging Face tokenizer.json → TokenizerSpec. Whatever would change an id and is not known here is refused by name
// (`tokenizer-unsupported`); whatever does not hang together is `tokenizer-malformed`.
import { MimoError } from '@mimokit/protocol';
import { addedTokenBytes, printableToBytes } from './byte-level.ts';
import { mergeLong } from './merge-long.ts';
import { idLimit } from './pair-table.ts';
import { knownSplit, type SplitRule, splitterFor } from './pretokenize/rules.ts';
import { packTokenBytes } from './token-bytes.ts';
import type { AddedToken, TokenizerSpec } from './vocabulary.ts';

type Fields = Readonly<Record<string, unknown>>;

/** Reads a parsed tokenizer.json, or its text. */
export function readTokenizerJson(source: unknown): TokenizerSpec {
  const file = fields(typeof source === 'string' ? parse(source) : source, 'tokenizer.json');
  for (const key of ['truncation', 'padding'])
    if (file[key] !== null && file[key] !== undefined) throw unsupported(key, 'is set');
  const model = fields(file['model'], 'model');
  const listed = readAdded(file['added_tokens']);
  const { ids, ...vocab } = readVocab(model, listed);
  // As in Hugging Face's reader, a token that the model knows keeps the model's id.
  const added = listed.map((token) => ({ ...token, id: ids.get(token.content) ?? token.id }));
  const nfc = readNormalizer(file['normalizer'], 'normalizer');
  const late = added.find((token) => token.normalized);
  if (nfc && late !== undefined)
    throw unsupported(`added_tokens: ${late.content}`, 'has normalized: true beside a normalizer');
  const decoder = fields(file['decoder'], 'decoder');
  if (decoder['type'] !== 'ByteLevel') throw unsupported('decoder', typeOf(decoder));
  const rules = readSplits(file['pre_tokenizer']);
  return {
    ...vocab,
    added,
    nfc,
    splitter: () => splitterFor(rules),
    ignoreMerges: model['ignore_merges'] === true,
    selfEncoding: false,
    mergeLong,
  };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw malformed('tokenizer.json', 'is not JSON', cause);
  }
}

interface ReadVocab extends Pick<TokenizerSpec, 'tokens' | 'modelIds' | 'byteIds' | 'left' | 'right' | 'merged'> {
  /** The ids of the model's tokens by their printable form. */
  readonly ids: ReadonlyMap<string, number>;
}

function readVocab(model: Fields, added: readonly AddedToken[]): ReadVocab {
  if (model['type'] !== 'BPE' && model['type'] !== undefined) throw unsupported('model.type', typeOf(model));
  for (const key of ['dropout', 'continuing_subword_prefix', 'end_of_word_suffix']) {
    if (model[key] !== null && model[key] !== undefined && model[key] !== '' && model[key] !== 0)
      throw unsupported(`model.${key}`, 'is set');
  }
  const ids = new Map<string, number>();
  const tokens: (Uint8Array | undefined)[] = [];
  const addedIds = new Set(added.map((token) => token.id));
  for (const [token, id] of Object.entries(fields(model['vocab'], 'model.vocab'))) {
    if (typeof id !== 'number' || !Number.isInteger(id) || id < 0 || id >= idLimit)
      throw malformed(`model.vocab[${JSON.stringify(token)}]`, `is not an id below ${idLimit}: ${said(id)}`);
    if (tokens[id] !== undefined)
      throw malformed(`model.vocab[${JSON.stringify(token)}]`, `has the id ${id} of another token`);
    const bytes = printableToBytes(token) ?? (addedIds.has(id) ? addedTokenBytes(token) : null);
    if (bytes === null) throw unsupported('model.vocab', `token ${JSON.stringify(token)} is not byte-level`);
    if (bytes.length === 0) throw malformed('model.vocab', 'has an empty token');
    ids.set(token, id);
    tokens[id] = bytes;
  }
  const modelIds = tokens.length;
  const byteIds = new Int32Array(256).fill(-1);
  for (let id = 0; id < modelIds; id++) {
    const bytes = tokens[id];
    if (bytes?.length === 1 && !addedIds.has(id)) byteIds[bytes[0]] = id;
  }
  for (let byte = 0; byte < 256; byte++) {
    const inUtf8 = byte < 0xc0 || (byte > 0xc1 && byte < 0xf5);
    // Without an unknown token such a byte stands for nothing (SmolLM2 lacks six control characters); with one it would not.
    if (byteIds[byte] < 0 && inUtf8 && (typeof model['unk_token'] === 'string' || model['byte_fallback'] === true))
      throw unsupported('model.unk_token', `for the byte 0x${byte.toString(16)}, which has no token,`);
  }
  for (const token of added) if (!ids.has(token.content)) tokens[token.id] = addedTokenBytes(token.content);
  return { tokens: packTokenBytes(tokens), modelIds, byteIds, ids, ...readMerges(model['merges'], ids) };
}

function readMerges(
  source: unknown,
  ids: ReadonlyMap<string, number>,
): Pick<TokenizerSpec, 'left' | 'right' | 'merged'> {
  if (!Array.isArray(source)) throw malformed('model.merges', 'is not an array');
  const left = new Int32Array(source.length);
  const right = new Int32Array(source.length);
  const merged = new Int32Array(source.length);
  if (source.length >= idLimit) throw unsupported('model.merges', `${source.length} merges`);
  for (let rank = 0; rank < source.length; rank++) {
    const merge: unknown = source[rank];
    let first: unknown;
    let second: unknown;
    if (typeof merge === 'string') {
      const space = merge.indexOf(' ');
      first = merge.slice(0, space);
      second = merge.slice(space + 1);
    } else if (Array.isArray(merge)) [first, second] = merge;
    const l = typeof first === 'string' ? ids.get(first) : undefined;
    const r = typeof second === 'string' ? ids.get(second) : undefined;
    const whole = ids.get(`${String(first)}${String(second)}`);
    if (l === undefined || r === undefined || whole === undefined)
      throw malformed(`model.merges[${rank}]`, `is not a merge of tokens: ${said(merge)}`);
    left[rank] = l;
    right[rank] = r;
    merged[rank] = whole;
  }
  return { left, right, merged };
}

function readAdded(source: unknown): AddedToken[] {
  if (source === undefined || source === null) return [];
  if (!Array.isArray(source)) throw malformed('added_tokens', 'is not an array');
  return source.map((entry: unknown, i) => {
    const token = fields(entry, `added_tokens[${i}]`);
    const { id, content } = token;
    if (typeof content !== 'string' || content === '') throw malformed(`added_tokens[${i}].content`, 'is not a text');
    if (typeof id !== 'number' || !Number.isInteger(id) || id < 0 || id >= idLimit)
      throw malformed(`added_tokens[${i}].id`, `is not an id below ${idLimit}: ${said(id)}`);
    if (token['single_word'] === true) throw unsupported(`added_tokens[${i}].single_word`, content);
    const is = (key: string): boolean => token[key] === true;
    return {
      id,
      content,
      special: is('special'),
      normalized: is('normalized'),
      lstrip: is('lstrip'),
      rstrip: is('rstrip'),
    };
  });
}

function readNormalizer(source: unknown, path: string): boolean {
  if (source === null || source === undefined) return false;
  const normalizer = fields(source, path);
  if (normalizer['type'] === 'NFC') return true;
  if (normalizer['type'] !== 'Sequence') throw unsupported(path, typeOf(normalizer));
  if (!Array.isArray(normalizer['normalizers'])) throw malformed(`${path}.normalizers`, 'is not an array');
  return normalizer['normalizers']
    .map((part: unknown, i) => readNormalizer(part, `${path}.normalizers[${i}]`))
    .includes(true);
}

function readSplits(source: unknown): SplitRule[] {
  const outer = fields(source, 'pre_tokenizer');
  const sequence = outer['type'] === 'Sequence';
  const parts: unknown = sequence ? outer['pretokenizers'] : [outer];
  if (!Array.isArray(parts)) throw malformed('pre_tokenizer.pretokenizers', 'is not an array');
  const rules: SplitRule[] = [];
  for (const [i, part] of parts.entries()) {
    const path = sequence ? `pre_tokenizer.pretokenizers[${i}]` : 'pre_tokenizer';
    const splitter = fields(part, path);
    if (splitter['type'] === 'Split') rules.push(readSplit(splitter, path));
    else if (splitter['type'] === 'Digits')
      rules.push(splitter['individual_digits'] === true ? 'digits' : 'digit-runs');
    else if (splitter['type'] === 'ByteLevel') {
      if (splitter['add_prefix_space'] === true) throw unsupported(`${path}.add_prefix_space`, 'true');
      if (splitter['use_regex'] !== false) rules.push('gpt2');
      if (i !== parts.length - 1) throw unsupported(`pre_tokenizer.pretokenizers[${i + 1}]`, 'after ByteLevel');
      if (rules.length === 0) throw unsupported(path, 'ByteLevel without any split');
      return rules;
    } else throw unsupported(path, typeOf(splitter));
  }
  throw unsupported('pre_tokenizer', 'no ByteLevel');
}

function readSplit(splitter: Fields, path: string): SplitRule {
  const expression = fields(splitter['pattern'], `${path}.pattern`)['Regex'];
  const split = typeof expression === 'string' ? knownSplit(expression) : undefined;
  if (split === undefined) throw unsupported(`${path}.pattern`, said(splitter['pattern']));
  const { behavior, invert } = splitter;
  const isolated = behavior === 'Isolated' && invert !== true;
  const keptOnly = behavior === 'Removed' && invert === true && split.covers;
  if (!isolated && !keptOnly) throw unsupported(`${path}.behavior`, `${said(behavior)}, invert ${said(invert)}`);
  return split.rule;
}

function fields(value: unknown, path: string): Fields {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields;
  throw malformed(path, value === undefined ? 'is missing' : 'is not an object');
}

/** What kind of component this is, in the file's own word for it. */
function typeOf(component: Fields): string {
  if (component['type'] !== undefined) return said(component['type']);
  const names = Object.keys(component).slice(0, 8);
  return names.length === 0
    ? 'an object without a type'
    : `an object without a type (fields: ${said(names.join(', '))})`;
}

/** A value of the file, short enough for a message. */
function said(value: unknown): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? 'not given');
  return text.length > 300 ? `${text.slice(0, 300)}…` : text;
}

function malformed(field: string, what: string, cause?: unknown): MimoError {
  return new MimoError('tokenizer-malformed', `${field} ${what}.`, {
    hint: 'Use the tokenizer.json as published.',
    field,
    ...(cause === undefined ? {} : { cause }),
  });
}

function unsupported(component: string, what: string): MimoError {
  return new MimoError('tokenizer-unsupported', `${component} is not supported: ${what}.`, {
    hint: 'Byte-level BPE with the splits of Qwen2, Llama-3, GPT-2, o200k or DeepSeek-V3 is; nothing else is guessed.',
    component,
  });
}
