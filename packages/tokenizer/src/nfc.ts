// NFC exactly as Hugging Face's `tokenizers` applies it. Its tables are older than V8's: characters that only newer
// versions compose or reorder are kept away from `String.normalize`.
import { codePointValue, composing, inert } from './char-class.ts';

/** The text in NFC; the text itself when nothing in it may change. */
export function normalizeNfc(text: string): string {
  let flags = 0;
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    // Nothing below U+0300 takes part in compositions.
    if (unit >= 0x300) flags |= valueAt(text, at);
  }
  if ((flags & composing) === 0) return text;
  if ((flags & inert) === 0) return text.normalize('NFC');
  let out = '';
  let from = 0;
  for (let at = 0; at < text.length;) {
    const codePoint = text.codePointAt(at) ?? 0;
    const next = at + (codePoint >= 0x10000 ? 2 : 1);
    if ((codePointValue(codePoint) & inert) !== 0) {
      out += text.slice(from, at).normalize('NFC') + text.slice(at, next);
      from = next;
    }
    at = next;
  }
  return out + text.slice(from).normalize('NFC');
}

const valueAt = (text: string, at: number): number => codePointValue(text.codePointAt(at) ?? 0);

/** The end of the stretch at `from`: a character and all after it that may change with it. NFC works inside stretches. */
export function stretchEnd(text: string, from: number): number {
  let at = from;
  do at += (text.codePointAt(at) ?? 0) >= 0x10000 ? 2 : 1;
  while (at < text.length && (valueAt(text, at) & composing) !== 0);
  return at;
}
