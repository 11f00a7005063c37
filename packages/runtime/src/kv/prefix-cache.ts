// The prefix cache: full blocks as a hash chain, kept windows at its nodes. The hash only finds; tokens are compared, so
// equal hashes never pass for equal prefixes. Counting who has a block is block-pool.ts.
import type { KeptWindow } from './window-pool.ts';

/** A full block after its predecessors. The root of a namespace has no block. */
export interface PrefixNode {
  readonly parent: PrefixNode | undefined;
  readonly namespace: string;
  readonly hash: number;
  /** Full blocks up to and including this one. */
  readonly depth: number;
  readonly tokens: Int32Array;
  readonly block: number;
  readonly kept: Set<KeptWindow>;
  /** Full blocks that follow it. */
  readonly children: Set<PrefixNode>;
  /** Roots only: live sequences of the namespace. */
  sequences: number;
}

export class PrefixCache {
  readonly blockTokens: number;
  readonly #roots = new Map<string, PrefixNode>();
  readonly #byHash = new Map<number, PrefixNode[]>();
  readonly #byBlock = new Map<number, PrefixNode>();
  /** Random, so that nobody can choose prompts that collide. */
  readonly #seed = crypto.getRandomValues(new Int32Array(1))[0];

  constructor(blockTokens: number) {
    this.blockTokens = blockTokens;
  }

  /** Namespaces with something in them. */
  get namespaces(): number {
    return this.#roots.size;
  }

  /** The root of a namespace, if anything hangs on it. */
  root(namespace: string): PrefixNode | undefined {
    return this.#roots.get(namespace);
  }

  /** The root of a namespace for a sequence that starts to live under it; `leave` is its counterpart. */
  enter(namespace: string): PrefixNode {
    let root = this.#roots.get(namespace);
    if (root === undefined) {
      root = this.#node(undefined, namespace, this.#seed, 0, new Int32Array(0), -1);
      this.#roots.set(namespace, root);
    }
    root.sequences++;
    return root;
  }

  /** The sequence lives no longer. A root on which nothing hangs is forgotten. */
  leave(namespace: string): void {
    const root = this.#roots.get(namespace)!;
    root.sequences--;
    this.#prune(root);
  }

  /** The node of the full block at tokens[start ..] after `parent`, if there is one. */
  find(parent: PrefixNode, tokens: ArrayLike<number>, start: number): PrefixNode | undefined {
    return this.#lookup(parent, chainHash(parent.hash, tokens, start, this.blockTokens), tokens, start);
  }

  /** The node of that full block; `block` becomes its block unless the prefix has one already. */
  share(parent: PrefixNode, tokens: ArrayLike<number>, start: number, block: number): PrefixNode {
    const hash = chainHash(parent.hash, tokens, start, this.blockTokens);
    const known = this.#lookup(parent, hash, tokens, start);
    if (known !== undefined) return known;
    const own = Int32Array.from({ length: this.blockTokens }, (_, index) => tokens[start + index]);
    const node = this.#node(parent, parent.namespace, hash, parent.depth + 1, own, block);
    parent.children.add(node);
    this.#byBlock.set(block, node);
    const bucket = this.#byHash.get(hash);
    if (bucket === undefined) this.#byHash.set(hash, [node]);
    else bucket.push(node);
    return node;
  }

  /** Whether the block stands for tokens that others may find. */
  knows(block: number): boolean {
    return this.#byBlock.has(block);
  }

  /** Called when a block no longer holds what it stood for: its node goes, and with the last node its namespace. */
  forget(block: number): void {
    const node = this.#byBlock.get(block);
    if (node === undefined) return;
    this.#byBlock.delete(block);
    const bucket = this.#byHash.get(node.hash)!;
    bucket.splice(bucket.indexOf(node), 1);
    if (bucket.length === 0) this.#byHash.delete(node.hash);
    node.parent!.children.delete(node);
    this.#prune(node.parent!);
  }

  attach(entry: KeptWindow): void {
    entry.node.kept.add(entry);
  }

  detach(entry: KeptWindow): void {
    entry.node.kept.delete(entry);
    this.#prune(entry.node);
  }

  /** Throws unless every node's block is in use, its parent is known, and parents know their children. */
  checkIntegrity(isUsed: (block: number) => boolean): void {
    const children = new Map<PrefixNode, Set<PrefixNode>>();
    for (const [block, node] of this.#byBlock) {
      if (node.block !== block || !isUsed(block)) throw new Error(`prefix cache: node of block ${block} outlives it`);
      const parent = node.parent!;
      const isKnown =
        parent.parent === undefined
          ? this.#roots.get(parent.namespace) === parent
          : this.#byBlock.get(parent.block) === parent;
      if (!isKnown) throw new Error(`prefix cache: the node before block ${block} is gone`);
      children.set(parent, (children.get(parent) ?? new Set()).add(node));
    }
    for (const node of [...this.#roots.values(), ...this.#byBlock.values()]) {
      const found = children.get(node) ?? new Set();
      const isRight = found.size === node.children.size && [...found].every((child) => node.children.has(child));
      if (!isRight) throw new Error('prefix cache: a node does not know its children');
    }
  }

  #prune(node: PrefixNode): void {
    if (node.parent !== undefined || node.children.size > 0 || node.kept.size > 0 || node.sequences > 0) return;
    this.#roots.delete(node.namespace);
  }

  #lookup(parent: PrefixNode, hash: number, tokens: ArrayLike<number>, start: number): PrefixNode | undefined {
    return this.#byHash.get(hash)?.find((node) => node.parent === parent && isAt(node.tokens, tokens, start));
  }

  #node(
    parent: PrefixNode | undefined,
    namespace: string,
    hash: number,
    depth: number,
    tokens: Int32Array,
    block: number,
  ): PrefixNode {
    return { parent, namespace, hash, depth, tokens, block, kept: new Set(), children: new Set(), sequences: 0 };
  }
}

/** Whether `part` stands at tokens[start ..]. */
export function isAt(part: ArrayLike<number>, tokens: ArrayLike<number>, start: number): boolean {
  if (start + part.length > tokens.length) return false;
  for (let index = 0; index < part.length; index++) if (part[index] !== tokens[start + index]) return false;
  return true;
}

function chainHash(seed: number, tokens: ArrayLike<number>, start: number, count: number): number {
  let hash = seed;
  for (let index = start; index < start + count; index++) {
    hash = Math.imul(hash ^ tokens[index], 0x21f0aaad);
    hash ^= hash >>> 15;
  }
  return Math.imul(hash, 0x735a2d97) ^ (hash >>> 13);
}
