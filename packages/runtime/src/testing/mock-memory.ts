// The mock's blocks and windows. Every slot remembers which position it holds; reading any other position throws.
import { MimoError } from '@mimokit/protocol';

interface Slot {
  position: number;
  value: number;
  /** For slots of the MTP heads: the id that went in. */
  id: number;
}

export interface MockWindow {
  /** Rings of the sliding layers, then one per MTP head. */
  rings: Slot[][];
  /** The last hidden rows. */
  hidden: Slot[];
}

const empty: Slot = { position: -1, value: 0, id: -1 };

/** Blocks and windows as plain arrays. */
export class MockMemory {
  readonly #blockTokens: number;
  readonly #ring: number;
  readonly #hiddenRows: number;
  readonly #blocks: Slot[][];
  readonly #windows: MockWindow[];

  constructor(sizes: {
    blocks: number;
    windows: number;
    blockTokens: number;
    ring: number;
    heads: number;
    hiddenRows: number;
  }) {
    this.#blockTokens = sizes.blockTokens;
    this.#ring = sizes.ring;
    this.#hiddenRows = Math.max(1, sizes.hiddenRows);
    const slots = (count: number): Slot[] => Array.from({ length: count }, () => ({ ...empty }));
    this.#blocks = Array.from({ length: sizes.blocks }, () => slots(sizes.blockTokens));
    this.#windows = Array.from({ length: sizes.windows }, () => ({
      rings: Array.from({ length: 1 + sizes.heads }, () => slots(sizes.ring)),
      hidden: slots(this.#hiddenRows),
    }));
  }

  copyBlock(from: number, to: number): void {
    this.#blocks[to] = this.#blocks[from].map((slot) => ({ ...slot }));
  }

  copyWindow(from: number, to: number): void {
    this.#windows[to] = structuredClone(this.#windows[from]);
  }

  /** The token at a position of the global layers. */
  readBlock(blocks: ArrayLike<number>, position: number): number {
    const block = blocks[Math.floor(position / this.#blockTokens)];
    return this.#read(this.#blocks[block][position % this.#blockTokens], position, `block ${block}`).value;
  }

  writeBlock(blocks: ArrayLike<number>, position: number, token: number): void {
    const block = blocks[Math.floor(position / this.#blockTokens)];
    this.#blocks[block][position % this.#blockTokens] = { position, value: token, id: token };
  }

  /** Ring 0 is the sliding layers', ring 1 + i that of head i. */
  readRing(window: number, ring: number, position: number): Slot {
    const slot = this.#windows[window].rings[ring][position % this.#ring];
    return this.#read(slot, position, `window ${window}, ring ${ring}`);
  }

  writeRing(window: number, ring: number, position: number, value: number, id = -1): void {
    this.#windows[window].rings[ring][position % this.#ring] = { position, value, id };
  }

  readHidden(window: number, position: number): number {
    const slot = this.#windows[window].hidden[position % this.#hiddenRows];
    return this.#read(slot, position, `window ${window}, hidden rows`).value;
  }

  writeHidden(window: number, position: number, value: number): void {
    this.#windows[window].hidden[position % this.#hiddenRows] = { position, value, id: -1 };
  }

  #read(slot: Slot, position: number, where: string): Slot {
    if (slot.position === position) return slot;
    const found = slot.position < 0 ? 'nothing was written' : `position ${slot.position} is`;
    throw new MimoError('batch-invalid', `${where}: position ${position} is read, but ${found} there.`, { position });
  }
}

/** 32-bit mixing: equal inputs, equal output; one bit of difference changes everything. */
export function mix(a: number, b: number): number {
  let h = Math.imul(a ^ Math.imul(b + 0x9e3779b9, 0x85ebca6b), 0x21f0aaad);
  h ^= h >>> 15;
  h = Math.imul(h, 0x735a2d97);
  return h ^ (h >>> 13);
}
