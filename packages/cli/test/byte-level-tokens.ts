/** The 256 bytes as byte-level BPE prints them: printable Latin-1 as it is, the others from U+0100 on. */
export function byteLevelTokens(): string[] {
  let others = 0x100;
  return Array.from({ length: 256 }, (_, byte) => {
    const isPrintable = (byte > 32 && byte < 127) || (byte > 160 && byte !== 173);
    return String.fromCharCode(isPrintable ? byte : others++);
  });
}
