// The second and third split of DeepSeek-V3 (the first parts numbers, see digits.ts):
//   [一-龥぀-ゟ゠-ヿ]+
//   [!-/:-~&&ASCII punctuation][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
// What the third one does not match between two matches is a piece too.
import { charBytes, charClass, codePointAt } from '../char-class.ts';
import { classAt, classes, isAt, runEnd, type Scanner, spaceEnd } from './runs.ts';

const wordSet = classes.letters | classes.marks;

function isHanOrKana(bytes: Uint8Array, at: number): boolean {
  const byte = bytes[at];
  if (byte < 0xe3 || byte > 0xe9) return false;
  const codePoint = codePointAt(bytes, at);
  return (codePoint >= 0x4e00 && codePoint <= 0x9fa5) || (codePoint >= 0x3040 && codePoint <= 0x30ff);
}

export const hanKanaScanner: Scanner = (bytes, start, end) => {
  const inside = isHanOrKana(bytes, start);
  let at = start;
  do at += charBytes(bytes[at]);
  while (at < end && isHanOrKana(bytes, at) === inside);
  return at;
};

const isAsciiLetter = (byte: number): boolean => (byte >= 0x41 && byte <= 0x5a) || (byte >= 0x61 && byte <= 0x7a);

export const deepseekScanner: Scanner = (bytes, start, end) => {
  const byte = bytes[start];
  const code = classAt(bytes, start);
  const next = start + charBytes(byte);
  if (((wordSet >>> code) & 1) !== 0) return runEnd(wordSet, bytes, next, end);
  if (code === charClass.newline) return spaceEnd(bytes, start, end, true);
  if (code === charClass.symbol) {
    if (byte < 0x80 && next < end && isAsciiLetter(bytes[next])) {
      let at = next + 1;
      while (at < end && isAsciiLetter(bytes[at])) at++;
      return at;
    }
    return symbolsEnd(bytes, next, end);
  }
  if (next < end && isAt(wordSet, bytes, next)) return runEnd(wordSet, bytes, next, end);
  if (code !== charClass.space) return gapEnd(bytes, next, end);
  if (byte === 0x20 && next < end && isAt(classes.symbols, bytes, next)) return symbolsEnd(bytes, next, end);
  return spaceEnd(bytes, start, end, true);
};

function symbolsEnd(bytes: Uint8Array, at: number, end: number): number {
  at = runEnd(classes.symbols, bytes, at, end);
  while (at < end && (bytes[at] === 0x0a || bytes[at] === 0x0d)) at++;
  return at;
}

/** From a character no alternative takes up to the next one that some alternative begins with. */
function gapEnd(bytes: Uint8Array, at: number, end: number): number {
  while (at < end) {
    const code = classAt(bytes, at);
    if (code !== charClass.other && code !== charClass.number) return at;
    const next = at + charBytes(bytes[at]);
    if (next < end && isAt(wordSet, bytes, next)) return at;
    at = next;
  }
  return at;
}
