// What a tokenizer.json may be, and how it is refused.
import { isMimoError } from '@mimokit/protocol';
import { describe, expect, test } from 'vitest';
import { createTokenizer } from '../src/index.ts';
import { knownSplit } from '../src/pretokenize/rules.ts';
import { gpt2WithAdded, smallTokenizer } from './vocabularies.ts';

/** The code and the message of the error of reading `json`. */
function refusal(json: unknown): string {
  try {
    createTokenizer(json);
  } catch (error) {
    if (isMimoError(error)) return `${error.code}: ${error.message}`;
    throw error;
  }
  return 'accepted';
}

describe('a malformed tokenizer.json is refused with the name of the field', () => {
  const cases: [string, unknown, string][] = [
    ['no JSON', '{"model": ', 'tokenizer.json is not JSON'],
    ['no object', [], 'tokenizer.json is not an object'],
    ['no model', {}, 'model is missing'],
    ['a vocabulary that is a list', smallTokenizer({ model: { vocab: ['a'] } }), 'model.vocab is not an object'],
    ['an id that is no number', smallTokenizer({ vocab: { th: '256' } }), 'model.vocab["th"] is not an id'],
    ['an id below zero', smallTokenizer({ vocab: { th: -1 } }), 'model.vocab["th"] is not an id'],
    ['an id given twice', smallTokenizer({ vocab: { th: 0 } }), 'has the id 0 of another token'],
    ['merges that are no list', smallTokenizer({ model: { merges: 'a b' } }), 'model.merges is not an array'],
    ['a merge of unknown tokens', smallTokenizer({ merges: ['q z'] }), 'model.merges[1] is not a merge'],
    ['a merge without its result', smallTokenizer({ merges: ['h t'] }), 'model.merges[1] is not a merge'],
    [
      'an added token without content',
      smallTokenizer({ file: { added_tokens: [{ id: 300 }] } }),
      'added_tokens[0].content is not a text',
    ],
    [
      'an added token without id',
      smallTokenizer({ file: { added_tokens: [{ content: 'x' }] } }),
      'added_tokens[0].id is not an id',
    ],
    [
      'a sequence without its list',
      smallTokenizer({ file: { normalizer: { type: 'Sequence' } } }),
      'normalizer.normalizers is not an array',
    ],
    ['no pre-tokenizer', smallTokenizer({ file: { pre_tokenizer: null } }), 'pre_tokenizer is not an object'],
  ];
  test.each(cases)('%s', (_, json, message) => {
    expect(refusal(json)).toContain(`tokenizer-malformed: ${message.startsWith('has') ? 'model.vocab' : message}`);
    expect(refusal(json)).toContain(message);
  });
});

describe('an unknown component is refused by name', () => {
  const byteLevel = { type: 'ByteLevel', add_prefix_space: false, use_regex: false };
  const split = (regex: string, more: object = {}): unknown => ({
    type: 'Sequence',
    pretokenizers: [
      { type: 'Split', pattern: { Regex: regex }, behavior: 'Isolated', invert: false, ...more },
      byteLevel,
    ],
  });
  const cases: [string, unknown, string][] = [
    ['another model', smallTokenizer({ model: { type: 'Unigram' } }), 'model.type is not supported: Unigram'],
    ['dropout', smallTokenizer({ model: { dropout: 0.1 } }), 'model.dropout'],
    ['a suffix of words', smallTokenizer({ model: { end_of_word_suffix: '</w>' } }), 'model.end_of_word_suffix'],
    [
      'another normalizer',
      smallTokenizer({ file: { normalizer: { type: 'Lowercase' } } }),
      'normalizer is not supported: Lowercase',
    ],
    [
      'a normalizer without a type',
      smallTokenizer({ file: { normalizer: { strip: true, left: 1 } } }),
      'normalizer is not supported: an object without a type (fields: strip, left)',
    ],
    [
      'a type that is no name',
      smallTokenizer({ file: { normalizer: { type: { NFC: null } } } }),
      'normalizer is not supported: {"NFC":null}',
    ],
    [
      'an empty decoder',
      smallTokenizer({ file: { decoder: {} } }),
      'decoder is not supported: an object without a type',
    ],
    [
      'one inside a sequence',
      smallTokenizer({ file: { normalizer: { type: 'Sequence', normalizers: [{ type: 'NFC' }, { type: 'Strip' }] } } }),
      'normalizer.normalizers[1] is not supported: Strip',
    ],
    [
      'another split',
      smallTokenizer({ file: { pre_tokenizer: split(String.raw`\w+`) } }),
      'pre_tokenizer.pretokenizers[0].pattern',
    ],
    [
      'another behaviour',
      smallTokenizer({ file: { pre_tokenizer: split(String.raw`\p{N}{1,3}`, { behavior: 'Removed' }) } }),
      'pre_tokenizer.pretokenizers[0].behavior',
    ],
    [
      'another pre-tokenizer',
      smallTokenizer({ file: { pre_tokenizer: { type: 'Metaspace' } } }),
      'pre_tokenizer is not supported: Metaspace',
    ],
    [
      'a space before the text',
      smallTokenizer({ file: { pre_tokenizer: { type: 'ByteLevel', add_prefix_space: true } } }),
      'pre_tokenizer.add_prefix_space',
    ],
    ['no split at all', smallTokenizer({ file: { pre_tokenizer: byteLevel } }), 'ByteLevel without any split'],
    [
      'another decoder',
      smallTokenizer({ file: { decoder: { type: 'WordPiece' } } }),
      'decoder is not supported: WordPiece',
    ],
    ['truncation', smallTokenizer({ file: { truncation: { max_length: 512 } } }), 'truncation'],
    [
      'tokens that are no bytes',
      smallTokenizer({ vocab: { '▁the': 257 } }),
      'model.vocab is not supported: token "▁the"',
    ],
    ['a single-word token', gpt2WithAdded([{ content: 'x', single_word: true }]), 'added_tokens[1].single_word'],
    [
      'a token of the normalised text beside NFC',
      smallTokenizer({
        file: { normalizer: { type: 'NFC' }, added_tokens: [{ id: 300, content: 'x', normalized: true }] },
      }),
      'added_tokens: x',
    ],
  ];
  test.each(cases)('%s', (_, json, message) => {
    expect(refusal(json)).toContain('tokenizer-unsupported: ');
    expect(refusal(json)).toContain(message);
  });
});

test('a small tokenizer is read from text, from an object, and with merges as pairs', () => {
  const json = smallTokenizer({});
  const pairs = smallTokenizer({ model: { merges: [['t', 'h']] } });
  for (const source of [json, JSON.stringify(json), pairs]) {
    const tokenizer = createTokenizer(source);
    expect([...tokenizer.encode('the')].length).toBe(2);
    expect(tokenizer.decode(tokenizer.encode('the thing'))).toBe('the thing');
  }
});

test('a split is known with its line ends written either way', () => {
  const escaped = String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`;
  expect(knownSplit(escaped)?.rule).toBe('qwen2');
  expect(knownSplit(escaped.replaceAll(String.raw`\r\n`, '\r\n'))?.rule).toBe('qwen2');
  expect(knownSplit(`${escaped}|x`)).toBeUndefined();
});
