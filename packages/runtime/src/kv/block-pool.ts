// The block pool: who holds which block of the global layers. A block is held by live sequences, kept by kept windows,
// or free. Contents are the runner's; which tokens a block stands for is the prefix cache's.

/** Counts per block. `held`: live sequences. `kept`: kept windows, which give way when a live sequence needs room. */
export class BlockPool {
  readonly blocks: number;
  readonly #held: Int32Array;
  readonly #kept: Int32Array;
  readonly #free: number[] = [];
  readonly #onFree: (block: number) => void;
  #unheld: number;

  /** `onFree` hears of every block nobody has any more. */
  constructor(blocks: number, onFree: (block: number) => void = () => {}) {
    this.blocks = blocks;
    this.#held = new Int32Array(blocks);
    this.#kept = new Int32Array(blocks);
    for (let block = blocks - 1; block >= 0; block--) this.#free.push(block);
    this.#onFree = onFree;
    this.#unheld = blocks;
  }

  /** Blocks nobody has. */
  get free(): number {
    return this.#free.length;
  }

  /** Blocks no live sequence holds: free now, or free once kept windows are evicted. */
  get available(): number {
    return this.#unheld;
  }

  /** Live sequences holding the block. */
  held(block: number): number {
    return this.#held[block];
  }

  /** Kept windows keeping the block. */
  kept(block: number): number {
    return this.#kept[block];
  }

  /** A free block, held once. The caller has made sure that one is free. */
  take(): number {
    const block = this.#free.pop();
    if (block === undefined) throw new Error('block pool: take() without a free block');
    this.hold(block);
    return block;
  }

  hold(block: number): void {
    if (this.#held[block]++ === 0) this.#unheld--;
  }

  letGo(block: number): void {
    if (this.#held[block] <= 0) throw new Error(`block pool: block ${block} is not held`);
    if (--this.#held[block] === 0) {
      this.#unheld++;
      this.#freeIfUnused(block);
    }
  }

  keep(block: number): void {
    this.#kept[block]++;
  }

  drop(block: number): void {
    if (this.#kept[block] <= 0) throw new Error(`block pool: block ${block} is not kept`);
    this.#kept[block]--;
    this.#freeIfUnused(block);
  }

  /** Throws unless the counts equal `held` and `kept` and exactly the blocks without any are free. */
  checkIntegrity(held: Int32Array, kept: Int32Array): void {
    const listed = new Uint8Array(this.blocks);
    for (const block of this.#free) {
      if (listed[block] === 1) throw new Error(`block pool: block ${block} is free twice`);
      listed[block] = 1;
    }
    let unheld = 0;
    for (let block = 0; block < this.blocks; block++) {
      if (held[block] !== this.#held[block] || kept[block] !== this.#kept[block]) {
        throw new Error(
          `block pool: block ${block} counts held ${this.#held[block]}, kept ${this.#kept[block]}; found ${held[block]}, ${kept[block]}`,
        );
      }
      const unused = held[block] === 0 && kept[block] === 0;
      if (unused !== (listed[block] === 1)) throw new Error(`block pool: block ${block} is lost or free while in use`);
      if (held[block] === 0) unheld++;
    }
    if (unheld !== this.#unheld) throw new Error(`block pool: ${unheld} blocks are unheld, ${this.#unheld} counted`);
  }

  #freeIfUnused(block: number): void {
    if (this.#held[block] > 0 || this.#kept[block] > 0) return;
    this.#free.push(block);
    this.#onFree(block);
  }
}
