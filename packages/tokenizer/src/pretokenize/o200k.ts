// The split of GPT-4o and gpt-oss (o200k). With U = \p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}, l = \p{Ll}\p{Lm}\p{Lo}\p{M} and
// C = (?i:'s|'t|'re|'ve|'m|'ll|'d):
//   [^\r\n\p{L}\p{N}]?[U]*[l]+C?|[^\r\n\p{L}\p{N}]?[U]+[l]*C?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+
import { charBytes, charClass } from '../char-class.ts';
import { contractionEnd } from './contractions.ts';
import { classAt, classes, isAt, numbersEnd, runEnd, type Scanner, spaceEnd } from './runs.ts';

const upperCase = 1 << charClass.upper;

export const o200kScanner: Scanner = (bytes, start, end) => {
  const code = classAt(bytes, start);
  if (code === charClass.number) return numbersEnd(bytes, start, end, 3);
  const next = start + charBytes(bytes[start]);
  let word = -1;
  if (((classes.letters >>> code) & 1) !== 0) word = wordEnd(bytes, start, end);
  else if (code !== charClass.newline) {
    if (next < end) word = endsLower(bytes, next, end);
    if (word < 0 && code === charClass.mark) word = endsLower(bytes, start, end);
    if (word < 0 && next < end) word = upperEnd(bytes, next, end);
  }
  if (word >= 0) return word < end && bytes[word] === 0x27 ? contractionEnd(bytes, word, end, true) : word;
  const symbols = bytes[start] === 0x20 && next < end ? next : start;
  if (isAt(classes.others, bytes, symbols)) return symbolsEnd(bytes, symbols, end);
  return spaceEnd(bytes, start, end, true);
};

function wordEnd(bytes: Uint8Array, at: number, end: number): number {
  const lower = endsLower(bytes, at, end);
  return lower >= 0 ? lower : upperEnd(bytes, at, end);
}

/** `[U]*[l]+`: the greedy run of U gives back down to its last character that is also an l; -1 without one. */
function endsLower(bytes: Uint8Array, at: number, end: number): number {
  let last = -1;
  while (at < end) {
    const code = classAt(bytes, at);
    if (code === charClass.lower) return runEnd(classes.lowerLike, bytes, at, end);
    if (((classes.upperLike >>> code) & 1) === 0) break;
    at += charBytes(bytes[at]);
    if (code !== charClass.upper) last = at;
  }
  return last;
}

/** `[U]+[l]*` where `[U]*[l]+` has failed: the run holds nothing but capitals. */
function upperEnd(bytes: Uint8Array, at: number, end: number): number {
  const stop = runEnd(upperCase, bytes, at, end);
  return stop > at ? stop : -1;
}

function symbolsEnd(bytes: Uint8Array, at: number, end: number): number {
  at = runEnd(classes.others, bytes, at, end);
  while (at < end && (bytes[at] === 0x0a || bytes[at] === 0x0d || bytes[at] === 0x2f)) at++;
  return at;
}
