// Runs of characters of some classes in UTF-8, and the parts all split rules share: contractions, white space. All
// scanners look at a character at most a few times, whatever the text.
import * as charRuns from '../char-class.generated.ts';
import { charBytes, charClass, codePointAt, codePointValue, lead, low, useCharClasses } from '../char-class.ts';

useCharClasses(charRuns);

/** Where the piece that begins at `start` ends; the text ends at `end`, and `start < end`. */
export type Scanner = (bytes: Uint8Array, start: number, end: number) => number;

const { multi } = charClass;

type ClassSet =
  | 'letters'
  | 'upperLike'
  | 'lowerLike'
  | 'marks'
  | 'numbers'
  | 'symbols'
  | 'newlines'
  | 'spaces'
  | 'others';

/** Sets of classes as bits; `others` is what is neither white space nor letter nor number. */
export const classes: Readonly<Record<ClassSet, number>> = {
  letters: (1 << charClass.upper) | (1 << charClass.lower) | (1 << charClass.letter),
  upperLike: (1 << charClass.upper) | (1 << charClass.letter) | (1 << charClass.mark),
  lowerLike: (1 << charClass.lower) | (1 << charClass.letter) | (1 << charClass.mark),
  marks: 1 << charClass.mark,
  numbers: 1 << charClass.number,
  symbols: 1 << charClass.symbol,
  newlines: 1 << charClass.newline,
  spaces: (1 << charClass.space) | (1 << charClass.newline),
  others: (1 << charClass.other) | (1 << charClass.mark) | (1 << charClass.symbol),
};

/** The class of the character at `at`. */
export function classAt(bytes: Uint8Array, at: number): number {
  const byte = bytes[at];
  const code = lead[byte];
  if (code !== multi) return code;
  if (byte < 0xe0) return low[((byte & 31) << 6) | (bytes[at + 1] & 63)] & 15;
  if (byte < 0xf0) return low[((byte & 15) << 12) | ((bytes[at + 1] & 63) << 6) | (bytes[at + 2] & 63)] & 15;
  return codePointValue(codePointAt(bytes, at)) & 15;
}

/** True when the character at `at` is of one of `set`'s classes. */
export function isAt(set: number, bytes: Uint8Array, at: number): boolean {
  return ((set >>> classAt(bytes, at)) & 1) !== 0;
}

/** The end of the run of characters of `set` that begins at `at`. */
export function runEnd(set: number, bytes: Uint8Array, at: number, end: number): number {
  while (at < end) {
    const byte = bytes[at];
    let code = lead[byte];
    if (code === multi) code = classAt(bytes, at);
    if (((set >>> code) & 1) === 0) break;
    at += byte < 0x80 ? 1 : charBytes(byte);
  }
  return at;
}

/** The end of a run of numbers of at most `most` characters. */
export function numbersEnd(bytes: Uint8Array, at: number, end: number, most: number): number {
  for (let taken = 0; taken < most && at < end && classAt(bytes, at) === charClass.number; taken++)
    at += charBytes(bytes[at]);
  return at;
}

/**
 * `\s*[\r\n]+|\s+(?!\S)|\s+` at white space: up to the last line end of the run; else the run without its last character
 * when something follows it; else that character. With `lineEnds` false the first alternative is missing.
 */
export function spaceEnd(bytes: Uint8Array, start: number, end: number, lineEnds: boolean): number {
  let at = start;
  let last = start;
  let line = -1;
  while (at < end) {
    const code = classAt(bytes, at);
    if (code !== charClass.space && code !== charClass.newline) break;
    last = at;
    at += charBytes(bytes[at]);
    if (code === charClass.newline) line = at;
  }
  if (lineEnds && line >= 0) return line;
  return at === end || last === start ? at : last;
}
