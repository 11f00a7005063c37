// The window pool: which windows are free, live or kept. A kept window is the snapshot of a prefix: with the blocks it
// keeps, a sequence can go on from exactly its length. Order of eviction lives here; blocks live in block-pool.ts.
import type { PrefixNode } from './prefix-cache.ts';

/** A window left behind at `length` committed positions, with the blocks below that length. */
export interface KeptWindow {
  readonly window: number;
  readonly length: number;
  /** The node of its last full block (or its namespace's root). */
  readonly node: PrefixNode;
  /** The tokens after the last full block, fewer than a block. */
  readonly tail: readonly number[];
  /** Its full blocks, in order. */
  readonly blocks: readonly number[];
  /** The block of the tail, -1 if the tail is empty. */
  readonly partialBlock: number;
  /** Sequences whose first step will copy it. While above 0 it is not evicted. */
  pins: number;
}

/** Windows by number. Every one is free, live or kept, exactly once. */
export class WindowPool {
  readonly windows: number;
  readonly #free: number[] = [];
  readonly #live = new Set<number>();
  /** In order of use, the least recently used first. */
  readonly #kept = new Map<number, KeptWindow>();

  constructor(windows: number) {
    this.windows = windows;
    for (let window = windows - 1; window >= 0; window--) this.#free.push(window);
  }

  get free(): number {
    return this.#free.length;
  }

  get live(): number {
    return this.#live.size;
  }

  /** Kept windows, the least recently used first. */
  kept(): IterableIterator<KeptWindow> {
    return this.#kept.values();
  }

  get keptCount(): number {
    return this.#kept.size;
  }

  keptAt(window: number): KeptWindow | undefined {
    return this.#kept.get(window);
  }

  /** A free window, live from now on; undefined if none is free. */
  take(): number | undefined {
    const window = this.#free.pop();
    if (window !== undefined) this.#live.add(window);
    return window;
  }

  giveBack(window: number): void {
    if (!this.#live.delete(window)) throw new Error(`window pool: window ${window} is not live`);
    this.#free.push(window);
  }

  /** The live window becomes kept, as the most recently used. */
  keep(entry: KeptWindow): void {
    if (!this.#live.delete(entry.window)) throw new Error(`window pool: window ${entry.window} is not live`);
    this.#kept.set(entry.window, entry);
  }

  /** The kept window becomes live again: for a sequence that takes it over. */
  revive(entry: KeptWindow): void {
    if (!this.#kept.delete(entry.window)) throw new Error(`window pool: window ${entry.window} is not kept`);
    this.#live.add(entry.window);
  }

  touch(entry: KeptWindow): void {
    this.#kept.delete(entry.window);
    this.#kept.set(entry.window, entry);
  }

  /** The least recently used kept window that nobody is about to copy, other than `except`. */
  oldest(except?: KeptWindow): KeptWindow | undefined {
    for (const entry of this.#kept.values()) if (entry.pins === 0 && entry !== except) return entry;
    return undefined;
  }

  /** Throws unless free, live and kept windows are disjoint, complete, and `live` is exactly the given set. */
  checkIntegrity(live: ReadonlySet<number>): void {
    const seen = new Set<number>();
    for (const window of [...this.#free, ...this.#live, ...this.#kept.keys()]) {
      if (seen.has(window)) throw new Error(`window pool: window ${window} is in two places`);
      seen.add(window);
    }
    if (seen.size !== this.windows) throw new Error(`window pool: ${this.windows - seen.size} windows are lost`);
    for (const window of this.#live) {
      if (!live.has(window)) throw new Error(`window pool: window ${window} is live without a sequence`);
    }
    if (live.size !== this.#live.size) throw new Error('window pool: a sequence has a window that is not live');
  }
}
