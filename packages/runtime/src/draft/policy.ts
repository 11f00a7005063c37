// How many drafts the next step asks for. A draft costs a verified position and saves a step if accepted; ids never
// depend on the answer, only time does.
import { MimoError } from '@mimokit/protocol';
import { Acceptance } from './acceptance.ts';

export interface DraftLoad {
  /** Rows of the step. */
  rows: number;
  /** The model's limit. */
  maxDraft: number;
}

export interface DraftPolicy {
  /** Drafts to ask for, per sampling row; values above maxDraft are cut. */
  depth(load: DraftLoad): number;
  /** Told of every row that verified drafts. */
  observe(row: { proposed: number; accepted: number }): void;
  /** Told of every step: rows, tokens run, drafts among them, and the time the runner took. */
  observeStep?(step: { rows: number; tokens: number; drafts: number; milliseconds: number }): void;
}

/** Always `depth` drafts: for comparisons and goldens. */
export function fixedDraftDepth(depth: number): DraftPolicy {
  if (!Number.isInteger(depth) || depth < 0) {
    throw new MimoError('invalid-argument', `A draft depth of ${depth} is not a count.`, { depth });
  }
  return { depth: () => depth, observe: () => {} };
}

export interface AdaptiveDraftOptions {
  /** Cost of a verified draft at one row, as a share of a step without drafts. */
  draftCost?: number;
  /** How much that cost grows with every further row: a busy step has less idle bandwidth to hide drafts in. */
  costPerRow?: number;
  /** Every so many calls at depth 0 one draft is tried, to notice when the text becomes predictable again. */
  probeEvery?: number;
}

/**
 * The depth with the most expected ids per cost: E(d) = 1 + r + … + r^d over 1 + d × cost(rows), with r the measured
 * acceptance rate. Deterministic: it looks at counts, not at clocks.
 */
export function adaptiveDraftDepth(options: AdaptiveDraftOptions = {}): DraftPolicy {
  const { draftCost = 0.12, costPerRow = 0.04, probeEvery = 16 } = options;
  const acceptance = new Acceptance();
  let idle = 0;
  return {
    depth({ rows, maxDraft }) {
      const cost = draftCost + costPerRow * Math.max(0, rows - 1);
      let best = 0;
      let bestGain = 1;
      let expected = 1;
      for (let depth = 1, chance = 1; depth <= maxDraft; depth++) {
        chance *= acceptance.rate;
        expected += chance;
        const gain = expected / (1 + depth * cost);
        if (gain > bestGain) [best, bestGain] = [depth, gain];
      }
      if (best > 0 || maxDraft === 0) {
        idle = 0;
        return best;
      }
      idle = (idle + 1) % probeEvery;
      return idle === 0 ? 1 : 0;
    },
    observe: (row) => acceptance.observe(row),
  };
}
