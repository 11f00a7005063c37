// Who has which block and window, and what can be used again. Four laws, each a test: a window resumes only at exactly its
// length (of a model without sliding layers windows hold nothing, and any prefix resumes); the source of a pending copy stays until the step that makes it; a sequence released before its first step
// keeps nothing; an admission takes over the matched window, and reserving evicts kept ones, when nothing else is left.
import { type KvCapacity, none } from '@mimokit/protocol';
import type { Sequence } from '../sequence.ts';
import { BlockPool } from './block-pool.ts';
import { blocksFor } from './geometry.ts';
import { isAt, PrefixCache, type PrefixNode } from './prefix-cache.ts';
import { checkPools } from './integrity.ts';
import { type KeptWindow, WindowPool } from './window-pool.ts';

/** What a prompt can start from. `window` -1: nothing. */
export interface PrefixMatch {
  /** Positions that need not be computed. */
  tokens: number;
  /** Full blocks below that. */
  blocks: readonly number[];
  /** The block that holds the rest, -1 if there is no rest. */
  partialBlock: number;
  window: number;
  /** Of the last of those blocks; undefined: nothing matched. */
  node: PrefixNode | undefined;
  /** Tokens in full blocks the cache knows, also beyond the last kept window. */
  knownTokens: number;
}

/** What a live sequence holds. */
export interface SequenceKv {
  window: number;
  /** Held blocks in order: shared full ones, then its own. */
  blocks: number[];
  /** Node of the last block that is in the prefix cache. */
  node: PrefixNode;
  /** Copies its first step has to make. */
  pending: PendingCopy | undefined;
}

/** Sources of copies that are not made yet: the kept window is pinned, the source block held. */
interface PendingCopy {
  kept: KeptWindow | undefined;
  sourceBlock: number;
}

const nothing: PrefixMatch = {
  tokens: 0,
  blocks: [],
  partialBlock: none,
  window: none,
  node: undefined,
  knownTokens: 0,
};

export interface KvOptions {
  /** False: nothing is kept and nothing matches. Default true. */
  isCaching?: boolean;
  /** False: the model has no sliding layers and no MTP heads, so windows hold nothing. Default true. */
  hasWindows?: boolean;
}

export class KvManager {
  readonly capacity: KvCapacity;
  readonly blocks: BlockPool;
  readonly windows: WindowPool;
  readonly cache: PrefixCache;
  /** False: a window is a name for what is kept, and no runner need know of it. */
  readonly hasWindows: boolean;
  readonly #isCaching: boolean;
  /** Live windows that a step in progress saves into. */
  readonly #saving = new Set<number>();

  constructor(capacity: KvCapacity, { isCaching = true, hasWindows = true }: KvOptions = {}) {
    this.capacity = capacity;
    this.cache = new PrefixCache(capacity.blockTokens);
    this.blocks = new BlockPool(capacity.blocks, (block) => this.cache.forget(block));
    // Names cost nothing: what is kept is then limited by its blocks.
    this.windows = new WindowPool(capacity.windows + (hasWindows ? 0 : 2 * capacity.blocks));
    this.hasWindows = hasWindows;
    this.#isCaching = isCaching;
  }

  /** The longest kept prefix of tokens[0 .. limit). At least one token must be left to run, so limit < tokens.length. */
  match(tokens: ArrayLike<number>, namespace = '', limit: number = tokens.length - 1): PrefixMatch {
    const { blockTokens } = this.capacity;
    let node = this.cache.root(namespace);
    if (!this.#isCaching || node === undefined) return nothing;
    const blocks: number[] = [];
    let best: KeptWindow | undefined;
    for (;;) {
      for (const entry of this.hasWindows ? node.kept : []) {
        const isLonger = best === undefined || entry.length > best.length;
        if (isLonger && entry.length <= limit && isAt(entry.tail, tokens, node.depth * blockTokens)) best = entry;
      }
      const start: number = node.depth * blockTokens;
      if (start + blockTokens > limit) break;
      const next = this.cache.find(node, tokens, start);
      if (next === undefined) break;
      blocks.push(next.block);
      node = next;
    }
    const knownTokens = node.depth * blockTokens;
    if (!this.hasWindows) return { ...longestTail(node, tokens, knownTokens, limit), blocks, node, knownTokens };
    if (best === undefined) return { ...nothing, knownTokens };
    const { length, window, partialBlock } = best;
    return { tokens: length, blocks: best.blocks, partialBlock, window, node: best.node, knownTokens };
  }

  /**
   * Makes a waiting sequence live at `match.tokens` committed positions: gives it a window and the matched blocks.
   * False: no room now for all its tokens and one more; nothing was changed.
   */
  admit(sequence: Sequence, match: PrefixMatch): boolean {
    const entry = match.window === none ? undefined : this.windows.keptAt(match.window);
    if (this.windows.live > 0 && !this.#hasRoomFor(sequence, match)) return false;
    const isTakeover = this.windows.free === 0 && this.windows.oldest(entry) === undefined;
    if (isTakeover && (entry === undefined || entry.pins > 0)) return false;

    const root = this.cache.enter(sequence.request.namespace);
    const kv: SequenceKv = { window: none, blocks: [...match.blocks], node: match.node ?? root, pending: undefined };
    for (const block of kv.blocks) this.blocks.hold(block);
    const kept = this.hasWindows ? entry : undefined;
    if (match.partialBlock !== none) this.blocks.hold(match.partialBlock);
    if (match.partialBlock !== none || kept !== undefined) kv.pending = { kept, sourceBlock: match.partialBlock };
    if (kept !== undefined) kept.pins++;
    if (entry !== undefined) this.windows.touch(entry);
    if (isTakeover) this.#takeOverWindow(kv, entry!);
    else kv.window = this.#takeWindow()!;
    sequence.kv = kv;
    sequence.contextLen = match.tokens;
    sequence.state = 'live';
    return true;
  }

  /** Holds blocks so that positions below `length` can be written. False means "not now": nothing was changed. */
  reserve(sequence: Sequence, length: number): boolean {
    const kv = heldBy(sequence);
    let missing = blocksFor(length, this.capacity.blockTokens) - kv.blocks.length;
    if (missing <= 0) return true;
    if (missing > this.blocks.available) {
      if (missing - 1 > this.blocks.available || !this.#takeOverPartialBlock(kv)) return false;
      missing--;
    }
    while (this.blocks.free < missing) this.#evict(this.windows.oldest());
    for (; missing > 0; missing--) kv.blocks.push(this.blocks.take());
    return true;
  }

  /** Copies the sequence's next step has to make: `[window, source block, target block]`, -1 = none. */
  copies(sequence: Sequence): readonly [number, number, number] {
    const { pending, blocks } = heldBy(sequence);
    if (pending === undefined) return [none, none, none];
    const target =
      pending.sourceBlock === none ? none : blocks[Math.floor(sequence.contextLen / this.capacity.blockTokens)];
    return [pending.kept?.window ?? none, pending.sourceBlock, target];
  }

  /** Positions below `length` are final: the copies are made, and full blocks can be shared from now on. */
  commit(sequence: Sequence, length: number): void {
    const kv = heldBy(sequence);
    this.#dropPending(kv);
    sequence.contextLen = length;
    if (!this.#isCaching) return;
    const full = Math.floor(length / this.capacity.blockTokens);
    for (let index = kv.node.depth; index < full; index++) {
      const own = kv.blocks[index];
      kv.node = this.cache.share(kv.node, sequence.tokens, index * this.capacity.blockTokens, own);
      if (kv.node.block === own) continue;
      // Another sequence computed the same tokens first: equal bytes by the laws of the step, so one copy is enough.
      this.blocks.hold(kv.node.block);
      kv.blocks[index] = kv.node.block;
      this.blocks.letGo(own);
    }
  }

  /**
   * Gives back what the sequence holds. With `keeps` its window stays behind as the snapshot of its committed prefix,
   * until evicted. Never after a failed step: nobody knows what that wrote.
   */
  release(sequence: Sequence, keeps: boolean): void {
    const kv = heldBy(sequence);
    if (keeps && this.#isCaching && kv.pending === undefined && sequence.contextLen > 0) {
      this.#keep(sequence, kv.window);
    } else {
      this.windows.giveBack(kv.window);
    }
    this.#dropPending(kv);
    for (const block of kv.blocks) this.blocks.letGo(block);
    this.cache.leave(sequence.request.namespace);
    sequence.kv = undefined;
    sequence.contextLen = 0;
  }

  /** A window for `saveWindow` of the next step, -1 if none can be had without taking one from a live sequence. */
  saveTarget(): number {
    const window = this.#isCaching ? this.#takeWindow() : undefined;
    if (window === undefined) return none;
    this.#saving.add(window);
    return window;
  }

  /** The step is done: keeps the saved window if `isSaved`, as the snapshot of the committed prefix. */
  settleSave(sequence: Sequence, window: number, isSaved: boolean): void {
    this.#saving.delete(window);
    if (isSaved) this.#keep(sequence, window);
    else this.windows.giveBack(window);
  }

  /** Forgets all that is kept, because its contents are gone. No sequence may be live. */
  clear(): void {
    for (let entry = this.windows.oldest(); entry !== undefined; entry = this.windows.oldest()) this.#evict(entry);
  }

  /** Throws unless every block and window is free, kept or held, exactly once, given all live sequences. */
  checkIntegrity(sequences: Iterable<Sequence>): void {
    checkPools(this, sequences, this.#saving);
  }

  #hasRoomFor(sequence: Sequence, match: PrefixMatch): boolean {
    let available = this.blocks.available;
    for (const block of match.blocks) if (this.blocks.held(block) === 0) available--;
    if (match.partialBlock !== none && this.blocks.held(match.partialBlock) === 0) available--;
    const needed = blocksFor(sequence.tokens.length + 1, this.capacity.blockTokens) - match.blocks.length;
    return needed <= available;
  }

  #takeWindow(): number | undefined {
    if (this.windows.free === 0) {
      const oldest = this.windows.oldest();
      if (oldest === undefined) return undefined;
      this.#evict(oldest);
    }
    return this.windows.take();
  }

  #keep(sequence: Sequence, window: number): void {
    const { blocks, node } = heldBy(sequence);
    const length = sequence.contextLen;
    const tail = sequence.tokens.slice(node.depth * this.capacity.blockTokens, length);
    for (const entry of node.kept) {
      if (entry.tail.length !== tail.length || !isAt(entry.tail, tail, 0)) continue;
      // The same prefix is kept already; one snapshot is enough.
      this.windows.touch(entry);
      this.windows.giveBack(window);
      return;
    }
    const full = blocks.slice(0, node.depth);
    const partialBlock = tail.length === 0 ? none : blocks[node.depth];
    const entry: KeptWindow = { window, length, node, tail, blocks: full, partialBlock, pins: 0 };
    for (const block of full) this.blocks.keep(block);
    if (partialBlock !== none) this.blocks.keep(partialBlock);
    this.windows.keep(entry);
    this.cache.attach(entry);
  }

  #evict(entry: KeptWindow | undefined): void {
    if (entry === undefined) throw new Error('kv manager: no kept window is left to evict');
    this.#forget(entry);
    this.windows.giveBack(entry.window);
  }

  /** The entry is no longer kept; its window is live, its blocks are dropped. */
  #forget(entry: KeptWindow): void {
    this.windows.revive(entry);
    // Deepest first, so that no node loses its parent before it goes itself.
    if (entry.partialBlock !== none) this.blocks.drop(entry.partialBlock);
    this.cache.detach(entry);
    for (let index = entry.blocks.length - 1; index >= 0; index--) this.blocks.drop(entry.blocks[index]);
  }

  /** No other window can be had: the matched one becomes the sequence's own. */
  #takeOverWindow(kv: SequenceKv, entry: KeptWindow): void {
    entry.pins--;
    this.#forget(entry);
    kv.window = entry.window;
    const sourceBlock = entry.partialBlock;
    kv.pending = sourceBlock === none ? undefined : { kept: undefined, sourceBlock };
    if (sourceBlock !== none && this.#isOwn(sourceBlock)) this.#ownPartialBlock(kv, sourceBlock);
  }

  /** No block can be had for the copy of the partly filled block: that block itself becomes the sequence's own. */
  #takeOverPartialBlock(kv: SequenceKv): boolean {
    const { pending } = kv;
    if (pending === undefined || pending.sourceBlock === none || this.blocks.held(pending.sourceBlock) > 1)
      return false;
    if (kv.blocks.length > kv.node.depth) return false;
    if (pending.kept !== undefined) {
      if (pending.kept.pins > 1) return false;
      const own = kv.window;
      this.#takeOverWindow(kv, pending.kept);
      this.windows.giveBack(own);
    }
    if (kv.pending === undefined) return true;
    // Other snapshots share the block; held by this sequence only, it is theirs to give.
    while (!this.#isOwn(pending.sourceBlock)) this.#evict(this.windows.oldest());
    this.#ownPartialBlock(kv, pending.sourceBlock);
    return true;
  }

  #isOwn(block: number): boolean {
    return this.blocks.held(block) === 1 && this.blocks.kept(block) === 0;
  }

  #ownPartialBlock(kv: SequenceKv, block: number): void {
    // Its writer may have filled it since the window was kept; from now on it holds other tokens.
    this.cache.forget(block);
    kv.blocks.push(block);
    kv.pending = undefined;
  }

  #dropPending(kv: SequenceKv): void {
    if (kv.pending === undefined) return;
    if (kv.pending.kept !== undefined) kv.pending.kept.pins--;
    if (kv.pending.sourceBlock !== none) this.blocks.letGo(kv.pending.sourceBlock);
    kv.pending = undefined;
  }
}

/** What goes on from `start` like the tokens, as far as it does: a kept tail, or the beginning of a full block. */
function longestTail(
  node: PrefixNode,
  tokens: ArrayLike<number>,
  start: number,
  limit: number,
): Pick<PrefixMatch, 'tokens' | 'partialBlock' | 'window'> {
  let best = { tokens: start, partialBlock: none, window: none };
  const compare = (tail: ArrayLike<number>, partialBlock: number, window: number): void => {
    let end = start;
    while (end < limit && end - start < tail.length && tail[end - start] === tokens[end]) end++;
    if (end > best.tokens) best = { tokens: end, partialBlock, window };
  };
  for (const { tail, partialBlock, window } of node.kept) compare(tail, partialBlock, window);
  for (const child of node.children) compare(child.tokens, child.block, none);
  return best;
}

/** What a live sequence holds. */
export function heldBy(sequence: Sequence): SequenceKv {
  if (sequence.kv === undefined) throw new Error(`kv manager: sequence ${sequence.id} is not live`);
  return sequence.kv;
}
