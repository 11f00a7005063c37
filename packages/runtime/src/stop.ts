// Where an answer ends: stop ids and the request's length, and which drafts are worth verifying before that. Stop strings are text and live in chat.ts.
import type { FinishReason } from '@mimokit/protocol';
import { draftsUnderDemand } from './guide.ts';
import { remainingTokens, type Sequence } from './sequence.ts';

/** How many of the ids belong to the answer (a stop id does), and why it ends there, if it does. */
export function answerPart(
  sequence: Sequence,
  ids: ArrayLike<number>,
): { count: number; reason: FinishReason | undefined } {
  const remaining = remainingTokens(sequence);
  for (let index = 0; index < ids.length && index < remaining; index++) {
    if (sequence.request.stopIds.has(ids[index])) return { count: index + 1, reason: 'stop' };
  }
  return ids.length < remaining
    ? { count: ids.length, reason: undefined }
    : { count: Math.min(ids.length, remaining), reason: 'length' };
}

/**
 * The drafts worth verifying: those before the first stop id, and before the first one behind which the guide asks for
 * something else. Verifying on past a stop id could only commit positions behind the end, where nobody resumes; the id itself
 * is drawn anyway after the drafts before it.
 */
export function usefulDrafts(sequence: Sequence, drafts: ArrayLike<number>): number[] {
  const useful: number[] = [];
  for (let index = 0; index < drafts.length && !sequence.request.stopIds.has(drafts[index]); index++) {
    useful.push(drafts[index]);
  }
  return useful.slice(0, draftsUnderDemand(sequence.guide, useful));
}
