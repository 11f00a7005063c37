// Hash and comparison of words, four bytes at a time. Both may read eight bytes from a word's start, however short it is.

// By length: which of the first four bytes, and of the next four, belong to the word.
const firstMask = Int32Array.of(0, 0xff, 0xffff, 0xffffff, -1, -1, -1, -1, -1);
const secondMask = Int32Array.of(0, 0, 0, 0, 0, 0xff, 0xffff, 0xffffff, -1);

/** Bytes 0 to 3 of a word of up to eight as a number; bytes behind the word count as 0. */
export function firstKey(view: DataView, start: number, length: number): number {
  return view.getInt32(start, true) & firstMask[length];
}

/** Bytes 4 to 7 likewise. */
export function secondKey(view: DataView, start: number, length: number): number {
  return view.getInt32(start + 4, true) & secondMask[length];
}

/** The hash of a word of up to eight bytes, from its two keys. */
export function shortHash(first: number, second: number, length: number): number {
  let hash = Math.imul(first, 0x9e3779b1) ^ Math.imul(second, 0x85ebca6b) ^ length;
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return hash ^ (hash >>> 14);
}

/** The hash of a word of more than eight bytes. */
export function longHash(view: DataView, start: number, length: number): number {
  const tail = start + length - 4;
  let hash = length;
  for (let at = start; at < tail; at += 4) {
    hash = Math.imul(hash ^ view.getInt32(at, true), 0x9e3779b1);
    hash ^= hash >>> 15;
  }
  hash = Math.imul(hash ^ view.getInt32(tail, true), 0x85ebca6b);
  return hash ^ (hash >>> 14);
}

/** The hash of the `length` bytes at `start`. */
export function wordHash(view: DataView, start: number, length: number): number {
  if (length > 8) return longHash(view, start, length);
  return shortHash(firstKey(view, start, length), secondKey(view, start, length), length);
}

/** True when `length` bytes at `a` of one view and at `b` of the other are the same. */
export function sameBytes(left: DataView, a: number, right: DataView, b: number, length: number): boolean {
  if (length <= 8) {
    return (
      firstKey(left, a, length) === firstKey(right, b, length) &&
      secondKey(left, a, length) === secondKey(right, b, length)
    );
  }
  const end = length - 4;
  for (let at = 0; at < end; at += 4) if (left.getInt32(a + at, true) !== right.getInt32(b + at, true)) return false;
  return left.getInt32(a + end, true) === right.getInt32(b + end, true);
}
