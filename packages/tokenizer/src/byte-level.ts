// The printable alphabet of byte-level vocabularies: every byte has one character, so that tokens are readable strings.
// Source: the `bytes_to_unicode` map of GPT-2's encoder.

const byteOfUnit = new Int16Array(0x144).fill(-1);
const order: number[] = [];
for (let byte = 0; byte < 256; byte++) {
  const printable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
  if (printable) order.push(byte);
}
const printables = order.length;
for (const byte of order) byteOfUnit[byte] = byte;
for (let byte = 0; byte < 256; byte++) {
  if (byteOfUnit[byte] === byte) continue;
  byteOfUnit[0x100 + order.length - printables] = byte;
  order.push(byte);
}

/** The bytes in the order in which GPT-2, and vocabularies trained like it, number them. */
export const byteOrder: readonly number[] = order;

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
