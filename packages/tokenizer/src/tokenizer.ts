// The tokenizer as users see it: added tokens → words → merges → ids, and back. The parts are in encoder.ts,
// added-tokens.ts, decoder.ts and offsets.ts.
import { MimoError } from '@mimokit/protocol';
import { type AddedMatch, AddedTokenFinder, checkSpans, type Span, type TokenFinder } from './added-tokens.ts';
import { Decoder, type DecodeStream } from './decoder.ts';
import { Encoder } from './encoder.ts';
import { type EncodedOffsets, OffsetMap, truncationPoint } from './offsets.ts';
import type { Vocabulary } from './vocabulary.ts';

export interface EncodeOptions {
  /**
   * Parts of the text that are data: added tokens are not recognised in them, nor across their edges. Where words are
   * split and merged does not change. Sorted, without overlap, in UTF-16 units.
   */
  readonly literal?: readonly Span[];
  /** False: the whole text is data (default true: the names of added tokens become their ids). */
  readonly special?: boolean;
}

export interface DecodeOptions {
  /** Drops the tokens marked special (default false). */
  readonly skipSpecial?: boolean;
}

export interface Truncated {
  /** The beginning of the text that the ids stand for; never ends inside a character. */
  readonly text: string;
  /** The first ids of the whole text, at most as many as asked for. */
  readonly ids: Int32Array;
  /** True when something was cut off. */
  readonly truncated: boolean;
}

export interface Tokenizer {
  /** One more than the greatest id that stands for something; embedding rows from here on are padding. */
  readonly vocabSize: number;
  /** The greatest id that stands for something. */
  readonly maxId: number;
  /** All added tokens by name, also those that `skipSpecial` keeps (such as `<think>`). */
  readonly specialTokens: ReadonlyMap<string, number>;
  /** The ids of a text. Lone surrogates count as U+FFFD; nothing is put before or after. */
  encode(text: string, options?: EncodeOptions): Int32Array;
  encodeBatch(texts: readonly string[], options?: Pick<EncodeOptions, 'special'>): Int32Array[];
  /** `encode`, and for each id the range of the text it came from; ids that share a character share its range. */
  encodeWithOffsets(text: string, options?: EncodeOptions): EncodedOffsets;
  /** The number of ids of a text, without building them. */
  count(text: string, options?: EncodeOptions): number;
  /** The longest beginning of a text that takes at most `maxTokens` ids and ends with a whole character. */
  truncate(text: string, maxTokens: number, options?: EncodeOptions): Truncated;
  /** The text of ids; ids without a token are nothing, invalid bytes U+FFFD. Throws `token-out-of-range` for what is no id. */
  decode(ids: ArrayLike<number>, options?: DecodeOptions): string;
  decodeStream(options?: DecodeOptions): DecodeStream;
  /** The bytes of one token; empty for an id without one. */
  tokenBytes(id: number): Uint8Array;
}

/** A tokenizer over a vocabulary that may be shared; only buffers and the word cache are its own. */
export function tokenizerFor(vocabulary: Vocabulary, added?: TokenFinder): Tokenizer {
  return new BpeTokenizer(vocabulary, added ?? new AddedTokenFinder(vocabulary.spec.added));
}

const noSpans: readonly Span[] = [];
const noMatches: readonly AddedMatch[] = [];

class BpeTokenizer implements Tokenizer {
  readonly vocabSize: number;
  readonly maxId: number;
  readonly specialTokens: ReadonlyMap<string, number>;
  readonly #added: TokenFinder;
  readonly #encoder: Encoder;
  readonly #vocabulary: Vocabulary;
  #decoderMade: Decoder | undefined;
  readonly #nfc: boolean;

  constructor(vocabulary: Vocabulary, finder: TokenFinder) {
    const { added, nfc, modelIds } = vocabulary.spec;
    this.maxId = added.reduce((greatest, token) => Math.max(greatest, token.id), modelIds - 1);
    this.vocabSize = this.maxId + 1;
    this.specialTokens = new Map(added.map((token) => [token.content, token.id]));
    this.#added = finder;
    this.#encoder = new Encoder(vocabulary);
    this.#vocabulary = vocabulary;
    this.#nfc = nfc;
  }

  // Only decoding and offsets need the bytes of the tokens.
  get #decoder(): Decoder {
    return (this.#decoderMade ??= new Decoder(this.#vocabulary.spec));
  }

  encode(text: string, options?: EncodeOptions): Int32Array {
    const encoder = this.#encoder;
    encoder.start();
    const matches = this.#matches(text, options);
    let from = 0;
    for (const match of matches) {
      if (match.start > from) encoder.encodeText(text.slice(from, match.start));
      encoder.push(match.id);
      from = match.end;
    }
    if (from < text.length) encoder.encodeText(from === 0 ? text : text.slice(from));
    return encoder.ids.slice(0, encoder.count);
  }

  encodeBatch(texts: readonly string[], options?: Pick<EncodeOptions, 'special'>): Int32Array[] {
    return texts.map((text) => this.encode(text, options));
  }

  count(text: string, options?: EncodeOptions): number {
    const encoder = this.#encoder;
    encoder.start();
    const matches = this.#matches(text, options);
    let count = matches.length;
    let from = 0;
    for (const match of matches) {
      if (match.start > from) count += encoder.countText(text.slice(from, match.start));
      from = match.end;
    }
    if (from < text.length) count += encoder.countText(from === 0 ? text : text.slice(from));
    return count;
  }

  encodeWithOffsets(text: string, options?: EncodeOptions): EncodedOffsets {
    const encoder = this.#encoder;
    const vocabulary = this.#vocabulary;
    encoder.start();
    const offsets = new OffsetMap(this.#decoder, this.#nfc, vocabulary.hasGaps ? vocabulary.spec.byteIds : undefined);
    let from = 0;
    const piece = (end: number): void => {
      if (end <= from) return;
      const source = text.slice(from, end);
      const first = encoder.count;
      const bytes = encoder.encodeText(source);
      offsets.addText(source, from, encoder.bytes, bytes, encoder.ids.subarray(first, encoder.count));
    };
    for (const match of this.#matches(text, options)) {
      piece(match.start);
      encoder.push(match.id);
      offsets.addSpan(match.start, match.end);
      from = match.end;
    }
    piece(text.length);
    return offsets.finish(encoder.ids.slice(0, encoder.count));
  }

  truncate(text: string, maxTokens: number, options?: EncodeOptions): Truncated {
    if (!Number.isInteger(maxTokens) || maxTokens < 0) {
      throw new MimoError('invalid-argument', `maxTokens is ${String(maxTokens)}.`, {
        hint: 'Pass a whole number from 0.',
        maxTokens,
      });
    }
    const encoded = this.encodeWithOffsets(text, options);
    const kept = truncationPoint(encoded, maxTokens);
    const truncated = kept < encoded.ids.length;
    return {
      text: truncated ? text.slice(0, kept === 0 ? 0 : encoded.ends[kept - 1]) : text,
      ids: encoded.ids.slice(0, kept),
      truncated,
    };
  }

  decode(ids: ArrayLike<number>, options?: DecodeOptions): string {
    return this.#decoder.decode(ids, options?.skipSpecial === true);
  }

  decodeStream(options?: DecodeOptions): DecodeStream {
    return this.#decoder.stream(options?.skipSpecial === true);
  }

  tokenBytes(id: number): Uint8Array {
    return this.#decoder.bytesOf(id);
  }

  #matches(text: string, options: EncodeOptions | undefined): readonly AddedMatch[] {
    const literal = options?.literal ?? noSpans;
    if (literal.length > 0) checkSpans(text, literal);
    return options?.special === false ? noMatches : this.#added.findAll(text, literal);
  }
}
