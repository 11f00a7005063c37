// The split of Qwen2, Qwen3, MiMo (one digit a piece) and of Llama-3 (up to three):
//   (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,n}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
import { charBytes, charClass, lead } from '../char-class.ts';
import { contractionEnd } from './contractions.ts';
import { classAt, classes, isAt, numbersEnd, runEnd, type Scanner, spaceEnd } from './runs.ts';

/** Qwen2's rule with pieces of up to `digits` numbers. */
export function cl100kScanner(digits: number): Scanner {
  return (bytes, start, end) => {
    const byte = bytes[start];
    const code = classAt(bytes, start);
    switch (code) {
      case charClass.upper:
      case charClass.lower:
      case charClass.letter:
        return lettersEnd(bytes, start + charBytes(byte), end);
      case charClass.number:
        return digits === 1 ? start + charBytes(byte) : numbersEnd(bytes, start, end, digits);
      case charClass.newline:
        return spaceEnd(bytes, start, end, true);
      case charClass.space: {
        const next = start + charBytes(byte);
        if (next === end) return end;
        const after = classAt(bytes, next);
        if (((classes.letters >>> after) & 1) !== 0) return lettersEnd(bytes, next + charBytes(bytes[next]), end);
        if (byte === 0x20 && ((classes.others >>> after) & 1) !== 0) return othersEnd(bytes, next, end);
        return spaceEnd(bytes, start, end, true);
      }
      default: {
        if (byte === 0x27) {
          const contraction = contractionEnd(bytes, start, end, true);
          if (contraction > start) return contraction;
        }
        const next = start + charBytes(byte);
        if (next < end && isAt(classes.letters, bytes, next))
          return lettersEnd(bytes, next + charBytes(bytes[next]), end);
        return othersEnd(bytes, next, end);
      }
    }
  };
}

function lettersEnd(bytes: Uint8Array, at: number, end: number): number {
  for (;;) {
    let code: number = charClass.other;
    while (at < end) {
      code = lead[bytes[at]];
      if (code !== charClass.lower && code !== charClass.upper) break;
      at++;
    }
    // A lead byte that says "letter" by itself begins three bytes: most of Han and Hangul.
    while (at < end && code === charClass.letter) {
      at += 3;
      code = lead[bytes[at]];
    }
    if (at >= end) return end;
    if (code === charClass.lower || code === charClass.upper) continue;
    if (code !== charClass.multi || !isAt(classes.letters, bytes, at)) return at;
    at += charBytes(bytes[at]);
  }
}

function othersEnd(bytes: Uint8Array, at: number, end: number): number {
  at = runEnd(classes.others, bytes, at, end);
  while (at < end && (bytes[at] === 0x0a || bytes[at] === 0x0d)) at++;
  return at;
}
