// Several splits one inside the other: each cuts the pieces of the one before it.
import type { Scanner } from './runs.ts';

/** The pieces of the innermost scanner, outermost given first; to be asked from left to right, piece after piece. */
export function chain(scanners: readonly Scanner[]): Scanner {
  if (scanners.length === 1) return scanners[0];
  const ends = new Int32Array(scanners.length);
  let expected = -1;
  return (bytes, start, end) => {
    // A piece known from before is only good for the walk it was found in.
    if (start !== expected) ends.fill(0);
    let limit = end;
    for (let i = 0; i < scanners.length; i++) {
      if (ends[i] <= start) ends[i] = scanners[i](bytes, start, limit);
      limit = ends[i];
    }
    expected = limit === end ? -1 : limit;
    return limit;
  };
}
