// The bytes in the order in which GPT-2, and vocabularies trained like it, number them: those with a printable character of
// their own first. Source: the `bytes_to_unicode` map of GPT-2's encoder.

const isPrintable = (byte: number): boolean =>
  (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
const bytes = Array.from({ length: 256 }, (_, byte) => byte);

export const byteOrder: readonly number[] = [
  ...bytes.filter(isPrintable),
  ...bytes.filter((byte) => !isPrintable(byte)),
];
/** How many of them are printable. */
export const printableBytes = 188;
