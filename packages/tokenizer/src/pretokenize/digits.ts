// Splits that only part numbers from the rest: Digits with individual_digits (SmolLM), `\p{N}{1,3}` (DeepSeek-V3).
import { charBytes, charClass } from '../char-class.ts';
import { classAt, numbersEnd, type Scanner } from './runs.ts';

/** Pieces of up to `most` numbers, and whatever lies between numbers in one piece. */
export function digitsScanner(most: number): Scanner {
  return (bytes, start, end) => {
    let at = numbersEnd(bytes, start, end, most);
    if (at > start) return at;
    while (at < end && classAt(bytes, at) !== charClass.number) at += charBytes(bytes[at]);
    return at;
  };
}
