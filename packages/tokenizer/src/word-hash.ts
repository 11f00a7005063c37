// Hash and comparison of words, four bytes at a time. Both may read up to three bytes behind a word of less than four.

const firstBytes = Int32Array.of(0, 0xff, 0xffff, 0xffffff, -1);

/** The first four bytes as a number; bytes behind the word count as 0. */
export function firstKey(view: DataView, start: number, length: number): number {
  const key = view.getInt32(start, true);
  return length < 4 ? key & firstBytes[length] : key;
}

/** The last four bytes as a number when the word is longer than four, else 0. */
export function lastKey(view: DataView, start: number, length: number): number {
  return length > 4 ? view.getInt32(start + length - 4, true) : 0;
}

/** The hash of a word of up to eight bytes, from its two keys. */
export function shortHash(first: number, last: number, length: number): number {
  let hash = Math.imul(first, 0x9e3779b1) ^ Math.imul(last, 0x85ebca6b) ^ length;
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
  return shortHash(firstKey(view, start, length), lastKey(view, start, length), length);
}

/** True when `length` bytes at `a` of one view and at `b` of the other are the same. */
export function sameBytes(left: DataView, a: number, right: DataView, b: number, length: number): boolean {
  if (length <= 4) return firstKey(left, a, length) === firstKey(right, b, length);
  const end = length - 4;
  for (let at = 0; at < end; at += 4) if (left.getInt32(a + at, true) !== right.getInt32(b + at, true)) return false;
  return left.getInt32(a + end, true) === right.getInt32(b + end, true);
}
