// Which range of the text each id came from, in UTF-16 units. Where NFC changed the text, the ids of a changed stretch share
// the range of that stretch.
import type { Decoder } from './decoder.ts';
import { normalizeNfc, stretchEnd } from './nfc.ts';

export interface EncodedOffsets {
  readonly ids: Int32Array;
  /** Id `i` came from `text.slice(starts[i], ends[i])`. */
  readonly starts: Int32Array;
  readonly ends: Int32Array;
}

export class OffsetMap {
  readonly #decoder: Decoder;
  readonly #nfc: boolean;
  /** Ids of single bytes where some stand for nothing. */
  readonly #gaps: Int32Array | undefined;
  readonly #starts: number[] = [];
  readonly #ends: number[] = [];

  constructor(decoder: Decoder, nfc: boolean, gaps?: Int32Array) {
    this.#decoder = decoder;
    this.#nfc = nfc;
    this.#gaps = gaps;
  }

  /** The next id stands for a range as a whole. */
  addSpan(start: number, end: number): void {
    this.#starts.push(start);
    this.#ends.push(end);
  }

  /** The next `ids` are those of `source`, which begins at unit `base`; `bytes[0 .. length)` is what was encoded. */
  addText(source: string, base: number, bytes: Uint8Array, length: number, ids: Int32Array): void {
    const units = unitsOfBytes(bytes, length);
    const map = this.#nfc && units[length] < length ? alignment(source) : undefined;
    let at = 0;
    for (const id of ids) {
      if (this.#gaps !== undefined) while (this.#gaps[bytes[at]] < 0) at++;
      const start = units[at];
      at = this.#after(bytes, at, this.#decoder.bytesOf(id).length);
      // An end inside a character reaches to the character's end, as a start inside it goes back to its start.
      const end =
        at < length && (bytes[at] & 0xc0) === 0x80
          ? units[at] + (bytes[leadBefore(bytes, at)] >= 0xf0 ? 2 : 1)
          : units[at];
      this.#starts.push(base + (map === undefined ? start : map.starts[start]));
      this.#ends.push(base + (map === undefined ? end : map.ends[end - 1]));
    }
  }

  /** Where `count` bytes that stand for something end. */
  #after(bytes: Uint8Array, at: number, count: number): number {
    if (this.#gaps === undefined) return at + count;
    let end = at;
    for (let left = count; left > 0; end++) if (this.#gaps[bytes[end]] >= 0) left--;
    return end;
  }

  finish(ids: Int32Array): EncodedOffsets {
    return { ids, starts: Int32Array.from(this.#starts), ends: Int32Array.from(this.#ends) };
  }
}

function leadBefore(bytes: Uint8Array, at: number): number {
  while ((bytes[at] & 0xc0) === 0x80) at--;
  return at;
}

/** By byte: the UTF-16 unit at which its character starts; one more entry for the end. */
function unitsOfBytes(bytes: Uint8Array, length: number): Int32Array {
  const units = new Int32Array(length + 1);
  let next = 0;
  let current = 0;
  for (let at = 0; at < length; at++) {
    const byte = bytes[at];
    if ((byte & 0xc0) !== 0x80) {
      current = next;
      next += byte >= 0xf0 ? 2 : 1;
    }
    units[at] = current;
  }
  units[length] = next;
  return units;
}

/** By unit of the normalised text: the range of `source` it came from; undefined when the text was in NFC already. */
function alignment(source: string): { starts: number[]; ends: number[] } | undefined {
  const starts: number[] = [];
  const ends: number[] = [];
  let isChanged = false;
  for (let from = 0; from < source.length;) {
    const to = stretchEnd(source, from);
    const stretch = source.slice(from, to);
    const normal = normalizeNfc(stretch);
    isChanged ||= normal !== stretch;
    for (let i = 0; i < normal.length; i++) {
      starts.push(normal === stretch ? from + i : from);
      ends.push(normal === stretch ? from + i + 1 : to);
    }
    from = to;
  }
  return isChanged ? { starts, ends } : undefined;
}

/** How many of the first `most` ids end where a character ends. */
export function truncationPoint(encoded: EncodedOffsets, most: number): number {
  const { starts, ends } = encoded;
  let kept = Math.min(most, starts.length);
  while (kept > 0 && kept < starts.length && starts[kept] < ends[kept - 1]) kept--;
  return kept;
}
