// A splitter from a scanner (runs.ts).
import { type PlainWords, plainWordBytes } from '../ascii-word.ts';
import { pieceStarts, type Splitter } from './pieces.ts';
import type { Scanner } from './runs.ts';

const starts = pieceStarts;
const piecesAtOnce = 1000;

export class ScannerSplitter implements Splitter {
  readonly flags = -1;
  readonly #scan: Scanner;
  readonly #plain: PlainWords;
  #at = 0;

  constructor(scan: Scanner, plain: PlainWords) {
    this.#scan = scan;
    this.#plain = plain;
  }

  begin(): void {
    this.#at = 0;
  }

  next(bytes: Uint8Array, view: DataView, length: number): number {
    const scan = this.#scan;
    const plain = this.#plain;
    let at = this.#at;
    let count = 0;
    starts[0] = at;
    while (count < piecesAtOnce && at < length) {
      const size = plainWordBytes(plain, bytes, view, at);
      at = size === 0 || at + size >= length ? scan(bytes, at, length) : at + size;
      starts[++count] = at;
    }
    this.#at = at;
    return count;
  }
}
