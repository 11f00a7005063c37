// The split of GPT-2, which ByteLevel applies with use_regex (also SmolLM, after its digits):
//   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
import { charClass } from '../char-class.ts';
import { contractionEnd } from './contractions.ts';
import { classAt, classes, runEnd, type Scanner, spaceEnd } from './runs.ts';

export const gpt2Scanner: Scanner = (bytes, start, end) => {
  let at = start;
  let code = classAt(bytes, start);
  if (bytes[start] === 0x27) {
    const contraction = contractionEnd(bytes, start, end, false);
    if (contraction > start) return contraction;
  }
  if (bytes[start] === 0x20 && start + 1 < end) {
    at = start + 1;
    code = classAt(bytes, at);
  }
  switch (code) {
    case charClass.space:
    case charClass.newline:
      return spaceEnd(bytes, start, end, false);
    case charClass.upper:
    case charClass.lower:
    case charClass.letter:
      return runEnd(classes.letters, bytes, at, end);
    case charClass.number:
      return runEnd(classes.numbers, bytes, at, end);
    default:
      return runEnd(classes.others, bytes, at, end);
  }
};
