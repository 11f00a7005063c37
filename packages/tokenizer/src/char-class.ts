// What kind of character a code point is: letter, mark, number, space and what NFC may do to it. The data are in
// char-class.generated.ts; how families of tokenizers combine the classes is in pretokenize/.
import { runs, values } from './char-class.generated.ts';

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

interface Tables {
  /** Class and flags of every code point below 0x20000. */
  low: Uint8Array;
  /** First code points of the runs above, and their values. */
  starts: Int32Array;
  codes: Uint8Array;
  /** By first byte of a UTF-8 character: its class, or `multi`. */
  lead: Uint8Array;
}

let built: Tables | undefined;

/** The class tables, unpacked on first use. */
export function charTables(): Tables {
  built ??= unpack();
  return built;
}

function unpack(): Tables {
  const low = new Uint8Array(planes);
  const starts: number[] = [];
  const codes: number[] = [];
  let codePoint = 0;
  for (let i = 0; i < runs.length;) {
    const code = values[runs.charCodeAt(i++) - 65];
    let length = 0;
    for (; i < runs.length; i++) {
      const digit = runs.charCodeAt(i);
      if (digit >= 65 && digit <= 90) break;
      length = length * 36 + (digit < 58 ? digit - 48 : digit - 87);
    }
    const end = codePoint + (length === 0 ? 1 : length);
    if (codePoint < planes) low.fill(code, codePoint, Math.min(end, planes));
    if (end > planes) {
      starts.push(Math.max(codePoint, planes));
      codes.push(code);
    }
    codePoint = end;
  }
  const lead = new Uint8Array(256).fill(charClass.multi);
  lead.set(low.subarray(0, 0x80));
  // Lead bytes whose every character is a plain letter: most of CJK and Hangul.
  for (let byte = 0xe1; byte < 0xf0; byte++) {
    const first = (byte & 15) << 12;
    if (low.subarray(first, first + 0x1000).every((code) => code === charClass.letter)) lead[byte] = charClass.letter;
  }
  return { low, starts: Int32Array.from(starts), codes: Uint8Array.from(codes), lead };
}

/** Class and NFC flags of a code point. */
export function codePointValue(tables: Tables, codePoint: number): number {
  if (codePoint < planes) return tables.low[codePoint];
  let from = 0;
  let to = tables.starts.length;
  while (to - from > 1) {
    const middle = (from + to) >> 1;
    if (tables.starts[middle] <= codePoint) from = middle;
    else to = middle;
  }
  return tables.codes[from];
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
