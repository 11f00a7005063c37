// English contractions, which all split rules but one cut off: one look, whatever the text.

/**
 * The end of `'s 't 're 've 'm 'll 'd` at the apostrophe `at`, or `at` when there is none. Without regard to case, the
 * long s (U+017F) is an s.
 */
export function contractionEnd(bytes: Uint8Array, at: number, end: number, anyCase: boolean): number {
  if (at + 1 >= end) return at;
  const fold = anyCase ? 0x20 : 0;
  const first = bytes[at + 1];
  switch (first | fold) {
    case 0x73: // s
    case 0x74: // t
    case 0x6d: // m
    case 0x64: // d
      return at + 2;
    case 0x72: // r
    case 0x76: // v
      return at + 2 < end && (bytes[at + 2] | fold) === 0x65 ? at + 3 : at;
    case 0x6c: // l
      return at + 2 < end && (bytes[at + 2] | fold) === 0x6c ? at + 3 : at;
    default:
      return anyCase && first === 0xc5 && bytes[at + 2] === 0xbf ? at + 3 : at;
  }
}
