// Sampling parameters and their bounds; the one place where defaults are written.
import { MimoError } from './errors.ts';

export interface Sampling {
  /** 0 = greedy. */
  temperature: number;
  topP: number;
  /** 0 = off. */
  topK: number;
  minP: number;
  /** 1 = off; divides positive and multiplies negative logits of ids seen before (CTRL, arXiv 1909.05858). */
  repetitionPenalty: number;
  frequencyPenalty: number;
  presencePenalty: number;
}

export const greedySampling: Readonly<Sampling> = Object.freeze({
  temperature: 0,
  topP: 1,
  topK: 0,
  minP: 0,
  repetitionPenalty: 1,
  frequencyPenalty: 0,
  presencePenalty: 0,
});

const bounds: Readonly<Record<keyof Sampling, readonly [number, number]>> = {
  temperature: [0, 100],
  topP: [0, 1],
  topK: [0, 0x7fffffff],
  minP: [0, 1],
  repetitionPenalty: [0.01, 100],
  frequencyPenalty: [-2, 2],
  presencePenalty: [-2, 2],
};

/** Fills in greedy defaults and checks every bound. Throws `invalid-argument` naming the field. */
export function resolveSampling(partial: Partial<Sampling> = {}): Sampling {
  const sampling: Sampling = { ...greedySampling };
  for (const key of Object.keys(bounds) as (keyof Sampling)[]) {
    const value = partial[key];
    if (value === undefined) continue;
    const [low, high] = bounds[key];
    if (typeof value !== 'number' || !(value >= low && value <= high)) {
      throw new MimoError('invalid-argument', `${key} is ${String(value)}; it must lie in [${low}, ${high}].`, {
        hint: `Leave ${key} out for its default ${greedySampling[key]}.`,
        field: key,
      });
    }
    sampling[key] = value;
  }
  return sampling;
}

/**
 * The random number of (seed, position), in [0, 1) with 53 bits: three rounds of the lowbias32 mixer. A function, not a
 * generator, so that a sample never depends on the batch, the chunking or on drafts.
 */
export function randomAt(seed: number, position: number): number {
  const a = mix(seed ^ 0x9e3779b9);
  const b = mix(a ^ position);
  const c = mix((b + 0x6a09e667) | 0);
  return ((b >>> 5) * 67108864 + (c >>> 6)) / 9007199254740992;
}

function mix(x: number): number {
  let h = x | 0;
  h = Math.imul(h ^ (h >>> 16), 0x21f0aaad);
  h = Math.imul(h ^ (h >>> 15), 0x735a2d97);
  return h ^ (h >>> 15);
}
