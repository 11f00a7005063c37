// Why a prompt is not cached, or not further: the kept prefix that comes closest, and the first token where it differs.
import type { KvManager } from './kv-manager.ts';
import type { PrefixNode } from './prefix-cache.ts';
import type { KeptWindow } from './window-pool.ts';

export interface CacheReport {
  /** Tokens of the prompt that would not be computed again. */
  cachedTokens: number;
  /**
   * Why not more. `nothing-kept`: this namespace has no kept prefix. `differs`: the closest one differs at `position`.
   * `too-long`: it holds the whole prompt or more, and windows resume only at their end. `all-used`: nothing to gain.
   */
  reason: 'all-used' | 'nothing-kept' | 'differs' | 'too-long';
  /** First position that is not in the closest kept prefix. */
  position: number;
  /** Ids there: in the kept prefix, in the prompt. */
  keptId?: number;
  promptId?: number;
  /** Length of the closest kept prefix. */
  keptTokens: number;
}

/** Looks at every kept window of the namespace: for people who wonder, not for the engine's loop. */
export function whyMiss(kv: KvManager, ids: ArrayLike<number>, namespace = ''): CacheReport {
  const cachedTokens = kv.match(ids, namespace).tokens;
  let position = -1;
  let closest: readonly number[] = [];
  for (const entry of kv.windows.kept()) {
    if (entry.node.namespace !== namespace) continue;
    const kept = tokensOf(entry);
    let same = 0;
    while (same < kept.length && same < ids.length && kept[same] === ids[same]) same++;
    const isCloser = same > position || (same === position && kept.length < closest.length);
    if (isCloser) [position, closest] = [same, kept];
  }
  if (position < 0) return { cachedTokens, reason: 'nothing-kept', position: 0, keptTokens: 0 };
  const report = { cachedTokens, position, keptTokens: closest.length };
  if (position < closest.length && position < ids.length) {
    return { ...report, reason: 'differs', keptId: closest[position], promptId: ids[position] };
  }
  const isAllUsed = position === cachedTokens || cachedTokens === ids.length - 1;
  return { ...report, reason: isAllUsed ? 'all-used' : 'too-long' };
}

/** The whole prefix a kept window stands for. */
function tokensOf(entry: KeptWindow): number[] {
  const parts: ArrayLike<number>[] = [entry.tail];
  for (let node: PrefixNode | undefined = entry.node; node !== undefined; node = node.parent) parts.push(node.tokens);
  return parts.toReversed().flatMap((part) => Array.from(part));
}
