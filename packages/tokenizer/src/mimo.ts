// MiMo's tokenizer with its vocabulary inside the package: no file, no network, also in browsers. The data are loaded and
// unpacked on first use (mimo-vocabulary.generated.ts).
import { byteOrder } from './byte-order.ts';
import { useCharClasses } from './char-class.ts';
import { Automaton } from './pretokenize/automaton.ts';
import type { TokenBytes } from './token-bytes.ts';
import { type Tokenizer, tokenizerFor } from './tokenizer.ts';
import { type AddedToken, Vocabulary } from './vocabulary.ts';

const utf8 = new TextEncoder();
let vocabulary: Promise<Vocabulary> | undefined;

/**
 * MiMo-V2-Flash's tokenizer. The first call unpacks the vocabulary; every call returns a tokenizer with its own word cache
 * over the same vocabulary.
 */
export async function loadMimoTokenizer(): Promise<Tokenizer> {
  vocabulary ??= open();
  return tokenizerFor(await vocabulary);
}

async function open(): Promise<Vocabulary> {
  const [packed, classes] = await Promise.all([
    import('./mimo-vocabulary.generated.ts'),
    import('./char-class.generated.ts'),
  ]);
  useCharClasses(classes);
  return unpack(packed);
}

interface Packed {
  readonly special: readonly string[];
  readonly added: readonly string[];
  readonly pairs: string;
}

function unpack(packed: Packed): Vocabulary {
  const merges = packed.pairs.length / 6;
  const left = new Int32Array(merges);
  const right = new Int32Array(merges);
  const merged = new Int32Array(merges);
  const { pairs } = packed;
  const digits = digitValues();
  for (let rank = 0, at = 0; rank < merges; rank++, at += 6) {
    left[rank] =
      (digits[pairs.charCodeAt(at)] << 12) | (digits[pairs.charCodeAt(at + 1)] << 6) | digits[pairs.charCodeAt(at + 2)];
    right[rank] =
      (digits[pairs.charCodeAt(at + 3)] << 12) |
      (digits[pairs.charCodeAt(at + 4)] << 6) |
      digits[pairs.charCodeAt(at + 5)];
    merged[rank] = 256 + rank;
  }
  const modelIds = 256 + merges;
  const names = [...packed.special, ...packed.added];
  let tokens: TokenBytes | undefined;
  const byteIds = new Int32Array(256);
  byteOrder.forEach((byte, id) => (byteIds[byte] = id));
  return new Vocabulary({
    get tokens() {
      return (tokens ??= joinTokens(left, right, names));
    },
    modelIds,
    byteIds,
    left,
    right,
    merged,
    added: names.map((content, i) => addedToken(content, modelIds + i, i < packed.special.length)),
    nfc: true,
    splitter: () => new Automaton(1),
    ignoreMerges: false,
    selfEncoding: true,
  });
}

function addedToken(content: string, id: number, special: boolean): AddedToken {
  return { id, content, special, normalized: false, lstrip: false, rstrip: false };
}

/** The bytes of all tokens: the single bytes, then each merge as its two parts, then the added ones. */
function joinTokens(left: Int32Array, right: Int32Array, names: readonly string[]): TokenBytes {
  const count = 256 + left.length;
  const offsets = new Int32Array(count + names.length + 1);
  for (let id = 0; id < 256; id++) offsets[id + 1] = id + 1;
  for (let rank = 0; rank < left.length; rank++) {
    const id = 256 + rank;
    const l = left[rank];
    const r = right[rank];
    offsets[id + 1] = offsets[id] + (offsets[l + 1] - offsets[l]) + (offsets[r + 1] - offsets[r]);
  }
  const addedBytes = names.map((name) => utf8.encode(name));
  addedBytes.forEach((token, i) => (offsets[count + i + 1] = offsets[count + i] + token.length));
  const bytes = new Uint8Array(offsets[count + names.length] + 16);
  byteOrder.forEach((byte, id) => (bytes[id] = byte));
  let at = 256;
  for (let rank = 0; rank < left.length; rank++) {
    for (let from = offsets[left[rank]], end = offsets[left[rank] + 1]; from < end; from++) bytes[at++] = bytes[from];
    for (let from = offsets[right[rank]], end = offsets[right[rank] + 1]; from < end; from++) bytes[at++] = bytes[from];
  }
  for (const token of addedBytes) {
    bytes.set(token, at);
    at += token.length;
  }
  return { bytes, offsets };
}

function digitValues(): Uint8Array {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  const values = new Uint8Array(128);
  for (let i = 0; i < alphabet.length; i++) values[alphabet.charCodeAt(i)] = i;
  return values;
}
