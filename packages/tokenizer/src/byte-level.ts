// The printable alphabet of byte-level vocabularies: every byte has one character, so that tokens are readable strings.
// Source: the `bytes_to_unicode` map of GPT-2's encoder.
import { byteOrder, printableBytes } from './byte-order.ts';

const byteOfUnit = new Int16Array(0x144).fill(-1);
// The others have, in their order, the characters from U+0100 on.
byteOrder.forEach((byte, place) => (byteOfUnit[place < printableBytes ? byte : 0x100 + place - printableBytes] = byte));

/** The bytes that a token's printable form stands for, or null when it has a character outside the alphabet. */
export function printableToBytes(token: string): Uint8Array | null {
  const bytes = new Uint8Array(token.length);
  for (let i = 0; i < token.length; i++) {
    const unit = token.charCodeAt(i);
    const byte = unit < byteOfUnit.length ? byteOfUnit[unit] : -1;
    if (byte < 0) return null;
    bytes[i] = byte;
  }
  return bytes;
}

const encoder = new TextEncoder();

/** What an added token decodes to: through the alphabet when it fits (as the ByteLevel decoder does), else its UTF-8. */
export function addedTokenBytes(content: string): Uint8Array {
  return printableToBytes(content) ?? encoder.encode(content);
}
