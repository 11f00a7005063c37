// The commonest words, one character and up to six ASCII letters or up to seven letters alone, found eight bytes at a time
// instead of byte by byte. Everything else is for the scanners in pretokenize/.
import type { SplitRule } from './pretokenize/rules.ts';

/** How a family cuts such words. */
export interface PlainWords {
  /** By first byte: 1 for an ASCII letter, 2 for a character that letters after it are joined to, else 0. */
  readonly starts: Uint8Array;
  /** False where a capital inside a word begins another one, and a contraction ends it (o200k). */
  readonly capitalsInside: boolean;
}

const letter = 1;
const prefix = 2;
const apostrophe = 0x27;
const highBits = 0x80808080 | 0;
const caseBits = 0x20202020;

/** The plain words of a family; characters that need a closer look (line ends, digits, apostrophes) begin none. */
export function plainWords(rules: readonly SplitRule[]): PlainWords {
  const starts = new Uint8Array(256);
  // GPT-2 joins letters to a space only, the others to any character but line ends, letters and numbers.
  const prefixes = rules.includes('gpt2') ? [0x20] : Array.from({ length: 0x80 }, (_, byte) => byte);
  for (const byte of prefixes) starts[byte] = prefix;
  for (const byte of [0x0a, 0x0d, apostrophe]) starts[byte] = 0;
  for (let digit = 0x30; digit < 0x3a; digit++) starts[digit] = 0;
  for (let i = 0; i < 26; i++) starts[0x41 + i] = starts[0x61 + i] = letter;
  return { starts, capitalsInside: !rules.includes('o200k') };
}

/** The high bit of each byte that is no ASCII letter, after `fold` has made it small; right up to the first such byte. */
function nonLetters(word: number, fold: number): number {
  const small = word | fold;
  // From 'a' on the first sum has the high bit, from '{' on the second.
  const fromA = (small + 0x1f1f1f1f) | 0;
  const pastZ = (small + 0x05050505) | 0;
  return ~(fromA & ~pastZ & ~word) & highBits;
}

/**
 * The bytes of the word at `at`, when it is a plain one of two to seven bytes with another ASCII character behind it; else
 * 0. Eight bytes must be readable.
 */
export function plainWordBytes(words: PlainWords, bytes: Uint8Array, view: DataView, at: number): number {
  const kind = words.starts[bytes[at]];
  if (kind === 0) return 0;
  const { capitalsInside } = words;
  // Without capitals inside, only the first letter may be one.
  let others = nonLetters(view.getInt32(at, true), capitalsInside ? caseBits : kind === prefix ? 0x2020 : 0x20);
  if (kind === prefix) others &= ~0x80;
  let length = 0;
  if (others === 0) {
    others = nonLetters(view.getInt32(at + 4, true), capitalsInside ? caseBits : 0);
    if (others === 0) return 0;
    length = 4;
  }
  length += (31 - Math.clz32(others & -others)) >> 3;
  const next = bytes[at + length];
  if (next >= 0x80) return 0;
  if (capitalsInside) return length > 1 ? length : 0;
  // One capital may be the first of several.
  return length > kind && next !== apostrophe ? length : 0;
}
