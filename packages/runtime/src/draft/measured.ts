// Draft depth by what steps really cost here: on this machine, with this model, at this number of rows. Until a depth was
// measured, an assumed ratio stands in. Clocks decide about time only: ids never depend on the depth.
import { Acceptance } from './acceptance.ts';
import type { DraftPolicy } from './policy.ts';

/** Time of a step with `depth` drafts in each of its `rows` rows, in any unit. */
export type StepCost = (rows: number, depth: number) => number;

export interface MeasuredDraftOptions {
  /** What is assumed until it is measured; default: a draft costs 0.12 of a step at one row, and 0.04 more with every row. */
  assumed?: StepCost;
  /** Every so many steps a neighbouring depth is tried, so that its time and its acceptance stay known; default 24. */
  probeEvery?: number;
}

/** The default of adaptiveDraftDepth, as a cost. */
export const linearCost: StepCost = (rows, depth) => 1 + depth * (0.12 + 0.04 * Math.max(0, rows - 1));

/**
 * Cost by the experts a verify touches: n tokens touch E (1 - (1 - k/E)^n) of E experts with k chosen each, and `expertShare`
 * of a one-token step is spent on experts. For models that stream their weights, where bytes are time.
 */
export function expertCost(model: { experts: number; topK: number; expertShare: number }): StepCost {
  const { experts, topK, expertShare } = model;
  const touched = (tokens: number): number => experts * (1 - (1 - topK / experts) ** tokens);
  return (rows, depth) => 1 - expertShare + (expertShare * touched(rows * (1 + depth))) / topK;
}

/** The depth with the most expected ids per measured time. */
export function measuredDraftDepth(options: MeasuredDraftOptions = {}): DraftPolicy {
  const { assumed = linearCost, probeEvery = 24 } = options;
  const acceptance = new Acceptance();
  const times = new StepTimes(assumed);
  let calls = 0;
  let side = 1;

  const bestDepth = (rows: number, maxDraft: number): number => {
    let best = 0;
    let bestGain = 1 / times.of(rows, 0);
    let expected = 1;
    for (let depth = 1, chance = 1; depth <= maxDraft; depth++) {
      chance *= acceptance.rateOf(depth - 1);
      expected += chance;
      const gain = expected / times.of(rows, depth);
      if (gain > bestGain) [best, bestGain] = [depth, gain];
    }
    return best;
  };

  return {
    depth({ rows, maxDraft }) {
      const best = bestDepth(rows, maxDraft);
      if (++calls % probeEvery !== 0) return best;
      side = -side;
      return Math.min(maxDraft, Math.max(0, best + (best === 0 ? 1 : best === maxDraft ? -1 : side)));
    },
    observe: (row) => acceptance.observe(row),
    observeStep({ rows, tokens, drafts, milliseconds }) {
      // Only steps of decode rows compare: prompts take what time they take.
      if (tokens === rows + drafts) times.add(rows, Math.round(drafts / rows), milliseconds);
    },
  };
}

interface Timing {
  milliseconds: number;
  steps: number;
}

/** Moving times by depth, apart for 1, 2, 3-4, 5-8, … rows. */
class StepTimes {
  readonly #assumed: StepCost;
  readonly #byRows = new Map<number, (Timing | undefined)[]>();

  constructor(assumed: StepCost) {
    this.#assumed = assumed;
  }

  /** Measured, or as long as the measured depth nearest by, times what is assumed between the two. */
  of(rows: number, depth: number): number {
    const known = this.#byRows.get(bucketOf(rows)) ?? [];
    const own = known[depth];
    if (own !== undefined) return own.milliseconds;
    let nearest: number | undefined;
    for (const [other, timing] of known.entries()) {
      if (timing === undefined) continue;
      if (nearest === undefined || Math.abs(other - depth) < Math.abs(nearest - depth)) nearest = other;
    }
    const assumed = this.#assumed(rows, depth);
    return nearest === undefined ? assumed : (known[nearest]!.milliseconds * assumed) / this.#assumed(rows, nearest);
  }

  add(rows: number, depth: number, milliseconds: number): void {
    const bucket = bucketOf(rows);
    const known = this.#byRows.get(bucket) ?? [];
    this.#byRows.set(bucket, known);
    const timing = (known[depth] ??= { milliseconds, steps: 0 });
    timing.steps++;
    // Whatever disturbs a step makes it longer: one far below what is believed shows that the belief was disturbed.
    if (milliseconds < timing.milliseconds / 2) timing.milliseconds = milliseconds;
    const capped = Math.min(milliseconds, 3 * timing.milliseconds);
    timing.milliseconds += (capped - timing.milliseconds) / Math.min(16, timing.steps);
  }
}

function bucketOf(rows: number): number {
  return Math.ceil(Math.log2(Math.max(1, rows)));
}
