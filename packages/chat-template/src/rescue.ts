// A call inside a `<think>` that is never closed: whether there is one, and where. A call inside a closed think block was only
// thought about and is never looked at.
import type { CallContext, CallGrammar } from './call-grammar.ts';
import type { FenceTracker } from './fence.ts';
import { open } from './tag-scanner.ts';

/**
 * `move`: the call ends the reasoning and is delivered. `keep`: it is delivered, and its text stays in the reasoning as well.
 * `ignore`: it is reasoning.
 */
export type RescuePolicy = 'move' | 'keep' | 'ignore';

/**
 * Index of the first complete call of known functions outside closed code fences, -1 when there is none. `fence` has seen the
 * reasoning before the text.
 */
export function findRescue(context: CallContext, grammar: CallGrammar, text: string, fence: FenceTracker): number {
  const resolver = grammar.resolver(context, text, true);
  let fences: FenceTracker | undefined = fence;
  let fed = 0;
  for (let at = text.indexOf(open); at >= 0; at = text.indexOf(open, at + open.length)) {
    if (fed > at) continue;
    fences?.feedAll(text, fed, at);
    fed = at;
    if (fences?.open) {
      const closed = fences.feedUntilClosed(text, at, text.length);
      if (closed >= 0) {
        fed = closed;
        continue;
      }
      if (fences.closes()) return -1;
      fences = undefined;
    }
    if (resolver.block(at)?.isKnown) return at;
  }
  return -1;
}
