// What kind of character a code point is: letter, mark, number, space and what NFC may do to it. The data are in
// char-class.generated.ts, which is loaded like a vocabulary; how families of tokenizers combine the classes is in pretokenize/.

/** Classes of code points; `multi` marks a lead byte whose class needs the rest of the character. */
export const charClass = {
  other: 0,
  upper: 1,
  lower: 2,
  letter: 3,
  mark: 4,
  number: 5,
  symbol: 6,
  space: 7,
  newline: 8,
  multi: 9,
} as const;

/** May change or reorder its neighbours under NFC. */
export const composing = 0x80;
/** Composes or reorders in newer Unicode versions, but not in Hugging Face's tables: NFC must not see it. */
export const inert = 0x40;

const planes = 0x20000;
/** Class and flags of every code point below 0x20000. */
export const low: Uint8Array = new Uint8Array(planes);
/** By first byte of a UTF-8 character: its class, or `multi`. */
export const lead: Uint8Array = new Uint8Array(256);
/** The runs above, the last first: where each begins, and its value. */
const high: [from: number, value: number][] = [];

/** The form of char-class.generated.ts. */
export interface CharRuns {
  readonly values: readonly number[];
  /** A capital letter is an index into `values`, the base-36 number after it the length of the run (none = 1). */
  readonly runs: string;
}

/** Fills the tables, which know nothing before. Who makes a tokenizer does this first; a second time is nothing. */
export function useCharClasses({ values, runs }: CharRuns): void {
  if (high.length > 0) return;
  let from = 0;
  for (const [, index, length] of runs.matchAll(/([A-Z])([^A-Z]*)/g)) {
    const value = values[index.charCodeAt(0) - 65];
    const end = from + (length === '' ? 1 : Number.parseInt(length, 36));
    low.fill(value, from, end);
    if (end > planes) high.unshift([from, value]);
    from = end;
  }
  lead.fill(charClass.multi).set(low.subarray(0, 0x80));
  // Lead bytes whose every character is a plain letter: most of CJK and Hangul.
  for (let byte = 0xe1; byte < 0xf0; byte++) {
    const first = (byte & 15) << 12;
    if (low.subarray(first, first + 0x1000).every((value) => value === charClass.letter)) lead[byte] = charClass.letter;
  }
}

/** Class and NFC flags of a code point. */
export function codePointValue(codePoint: number): number {
  if (codePoint < planes) return low[codePoint];
  for (const [from, value] of high) if (from <= codePoint) return value;
  return 0;
}

/** White space, line ends too, by its value. */
export function isSpace(value: number): boolean {
  return (value & 15) === charClass.space || (value & 15) === charClass.newline;
}

/** Number of bytes of the UTF-8 character that begins with `byte`. */
export function charBytes(byte: number): number {
  return byte < 0x80 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
}

/** The code point at byte `at` of valid UTF-8. */
export function codePointAt(bytes: Uint8Array, at: number): number {
  const first = bytes[at];
  if (first < 0x80) return first;
  if (first < 0xe0) return ((first & 31) << 6) | (bytes[at + 1] & 63);
  if (first < 0xf0) return ((first & 15) << 12) | ((bytes[at + 1] & 63) << 6) | (bytes[at + 2] & 63);
  return ((first & 7) << 18) | ((bytes[at + 1] & 63) << 12) | ((bytes[at + 2] & 63) << 6) | (bytes[at + 3] & 63);
}
