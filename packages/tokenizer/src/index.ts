// Byte-level BPE: text to ids and back. The MiMo vocabulary is the subpath /mimo.
export type { Span } from './added-tokens.ts';
export type { DecodeStream } from './decoder.ts';
export type { EncodedOffsets } from './offsets.ts';
export { createTokenizer } from './create-tokenizer.ts';
export type { DecodeOptions, EncodeOptions, Tokenizer, Truncated } from './tokenizer.ts';
