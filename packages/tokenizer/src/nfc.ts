// NFC exactly as Hugging Face's `tokenizers` applies it. Its tables are older than V8's: characters that only newer
// versions compose or reorder are kept away from `String.normalize`. Most text needs one look at its bytes.
import { charBytes, charClass, charTables, codePointAt, codePointValue, composing, inert } from './char-class.ts';

const tables = charTables();
const { lead } = tables;
const nonAscii = 0x80808080 | 0;

/**
 * Which of the flags `composing` and `inert` occur in `bytes[0 .. end)`; `words` views the same memory. Without
 * `composing` the text is in NFC.
 */
export function nfcFlags(bytes: Uint8Array, words: Int32Array, end: number): number {
  let flags = 0;
  for (let at = 0; at < end;) {
    const byte = bytes[at];
    if (byte < 0x80) {
      at++;
      if ((at & 3) === 0) while (at + 4 <= end && (words[at >> 2] & nonAscii) === 0) at += 4;
    } else if (lead[byte] === charClass.letter) {
      // Plain letters of three bytes, by their first.
      do at += 3;
      while (at < end && lead[bytes[at]] === charClass.letter);
    } else {
      // Nothing below U+0300 (lead byte 0xcc) takes part in compositions.
      if (byte >= 0xcc) flags |= codePointValue(tables, codePointAt(bytes, at));
      at += charBytes(byte);
    }
  }
  return flags & (composing | inert);
}

/** The text in NFC, given what `nfcFlags` said. */
export function normalizeNfc(text: string, flags: number): string {
  if ((flags & composing) === 0) return text;
  if ((flags & inert) === 0) return text.normalize('NFC');
  let out = '';
  let from = 0;
  for (let at = 0; at < text.length;) {
    const codePoint = text.codePointAt(at) ?? 0;
    const next = at + (codePoint >= 0x10000 ? 2 : 1);
    if ((codePointValue(tables, codePoint) & inert) !== 0) {
      out += text.slice(from, at).normalize('NFC') + text.slice(at, next);
      from = next;
    }
    at = next;
  }
  return out + text.slice(from).normalize('NFC');
}

const valueAt = (text: string, at: number): number => codePointValue(tables, text.codePointAt(at) ?? 0);

/** The end of the stretch at `from`: a character and all after it that may change with it. NFC works inside stretches. */
export function stretchEnd(text: string, from: number): number {
  let at = from;
  do at += (text.codePointAt(at) ?? 0) >= 0x10000 ? 2 : 1;
  while (at < text.length && (valueAt(text, at) & composing) !== 0);
  return at;
}

/** NFC of a stretch. */
export function normalizeStretch(stretch: string): string {
  let flags = 0;
  for (let at = 0; at < stretch.length; at += (stretch.codePointAt(at) ?? 0) >= 0x10000 ? 2 : 1)
    flags |= valueAt(stretch, at);
  return normalizeNfc(stretch, flags);
}
