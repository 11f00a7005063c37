// A guide that asks for anything at any time, but always for the same after the same ids: the worst that an engine can meet.
import type { Demand, Guide } from '../src/index.ts';

/** Equal seeds, equal guides. Demands are objects of their own only where they differ, as a guide must have it. */
export function randomGuide(seed: number, vocabSize: number): Guide {
  const demands = new Map<number, Demand | undefined>();
  const demandOf = (hash: number): Demand | undefined => {
    const kind = (hash >>> 3) % 9;
    if (kind > 3) return undefined;
    const key = kind < 3 ? hash : 3;
    if (!demands.has(key)) {
      const ids = [hash, hash >>> 7, hash >>> 13].map((value) => value % vocabSize);
      const lasting = { ban: [seed % vocabSize, (seed + 1) % vocabSize] };
      demands.set(key, [{ allow: ids.slice(0, 1) }, { allow: ids }, { ban: ids }, lasting][kind]);
    }
    return demands.get(key);
  };
  const at = (hash: number): Guide => ({
    demand: demandOf(hash),
    // The lowest bits change slowly, so that one demand may hold over several ids.
    after: (id) => at((Math.imul(hash ^ id, 0x21f0aaad) ^ (hash >>> 11)) >>> 0),
  });
  return at(Math.imul(seed, 0x9e3779b1) >>> 0);
}
