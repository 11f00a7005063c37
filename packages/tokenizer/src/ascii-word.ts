// The commonest words, a space and up to six ASCII letters or up to seven without one, found eight bytes at a time instead
// of byte by byte. Everything else is for the scanners in pretokenize/.

const highBits = 0x80808080 | 0;

/** By byte: 1 for an ASCII letter, 2 for a space. */
const starts = new Uint8Array(256);
for (let letter = 0; letter < 26; letter++) starts[0x41 + letter] = starts[0x61 + letter] = 1;
starts[0x20] = 2;

/** The high bit of each byte that is no ASCII letter; right up to the first such byte. */
function nonLetters(word: number): number {
  const lower = word | 0x20202020;
  // From 'a' on the first sum has the high bit, from '{' on the second.
  const fromA = (lower + 0x1f1f1f1f) | 0;
  const pastZ = (lower + 0x05050505) | 0;
  return ~(fromA & ~pastZ & ~word) & highBits;
}

/**
 * The bytes of the word at `at`, when it is a space and ASCII letters, or ASCII letters alone, of less than eight bytes and
 * more than one, with another ASCII character behind it; else 0. Eight bytes must be readable.
 */
export function asciiWordBytes(bytes: Uint8Array, view: DataView, at: number): number {
  const kind = starts[bytes[at]];
  if (kind === 0) return 0;
  let others = nonLetters(view.getInt32(at, true));
  if (kind === 2) others &= ~0x80;
  let length = 0;
  if (others === 0) {
    others = nonLetters(view.getInt32(at + 4, true));
    if (others === 0) return 0;
    length = 4;
  }
  length += (31 - Math.clz32(others & -others)) >> 3;
  return length > 1 && bytes[at + length] < 0x80 ? length : 0;
}
