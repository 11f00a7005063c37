// The inventory of both pools, counted anew from what sequences and kept windows have. For tests and for `verify: true`.
import { none } from '@mimokit/protocol';
import type { Sequence } from '../sequence.ts';
import type { KvManager } from './kv-manager.ts';

/** Throws unless every block and window is free, kept or held, exactly once. `saving`: targets of a step in progress. */
export function checkPools(manager: KvManager, sequences: Iterable<Sequence>, saving: ReadonlySet<number>): void {
  const held = new Int32Array(manager.capacity.blocks);
  const kept = new Int32Array(manager.capacity.blocks);
  const live = new Set<number>(saving);
  const pins = new Map<number, number>();
  for (const { id, kv, contextLen } of sequences) {
    if (kv === undefined) continue;
    if (live.has(kv.window)) throw new Error(`sequence ${id} shares window ${kv.window}`);
    live.add(kv.window);
    for (const block of kv.blocks) held[block]++;
    for (const block of kv.blocks.slice(kv.node.depth)) {
      if (manager.cache.knows(block)) throw new Error(`sequence ${id} writes block ${block}, which others may find`);
    }
    if (new Set(kv.blocks).size !== kv.blocks.length) throw new Error(`sequence ${id} lists a block twice`);
    if (kv.blocks.length * manager.capacity.blockTokens < (kv.pending === undefined ? contextLen : 0)) {
      throw new Error(`sequence ${id} committed ${contextLen} positions beyond its ${kv.blocks.length} blocks`);
    }
    if (kv.pending === undefined) continue;
    if (kv.pending.sourceBlock !== none) held[kv.pending.sourceBlock]++;
    if (kv.pending.kept === undefined) continue;
    const { window } = kv.pending.kept;
    if (manager.windows.keptAt(window) !== kv.pending.kept)
      throw new Error(`sequence ${id} copies a window that is gone`);
    pins.set(window, (pins.get(window) ?? 0) + 1);
  }
  for (const entry of manager.windows.kept()) {
    for (const block of entry.blocks) kept[block]++;
    if (entry.partialBlock !== none) kept[entry.partialBlock]++;
    if (entry.pins !== (pins.get(entry.window) ?? 0))
      throw new Error(`window ${entry.window}: ${entry.pins} pins counted`);
    if (!entry.node.kept.has(entry)) throw new Error(`window ${entry.window} is not at its node`);
  }
  manager.blocks.checkIntegrity(held, kept);
  manager.windows.checkIntegrity(live);
  manager.cache.checkIntegrity((block) => held[block] > 0 || kept[block] > 0);
}
