// Byte-level BPE: text to ids and back. The MiMo vocabulary is the subpath /mimo.
export type { Span } from './added-tokens.ts';
export type { DecodeStream } from './decoder.ts';
export type { EncodedOffsets } from './offsets.ts';
export {
  createTokenizer,
  type DecodeOptions,
  type EncodeOptions,
  type Tokenizer,
  type Truncated,
} from './tokenizer.ts';
