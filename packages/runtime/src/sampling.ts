// A request's sampling parameters as the step wants them: one row of seven numbers, sparse bias, sparse counts.
import { MimoError, resolveSampling, type Sampling } from '@mimokit/protocol';
import type { SparseBias } from './sequence.ts';

/** One row of StepBatch.sampling. Throws `invalid-argument` naming the field. */
export function samplingRow(partial: Partial<Sampling> | undefined): Float32Array {
  const s = resolveSampling(partial);
  return Float32Array.of(
    s.temperature,
    s.topP,
    s.topK,
    s.minP,
    s.repetitionPenalty,
    s.frequencyPenalty,
    s.presencePenalty,
  );
}

/** Whether the row needs token counts. */
export function hasPenalties(row: Float32Array): boolean {
  return row[4] !== 1 || row[5] !== 0 || row[6] !== 0;
}

/** The request's seed as a uint32; without one a random one, so that two samples of a prompt differ. */
export function seedOf(seed: number | undefined): number {
  if (seed === undefined) return crypto.getRandomValues(new Uint32Array(1))[0];
  if (!Number.isSafeInteger(seed)) {
    throw new MimoError('invalid-argument', `seed is ${seed}; it must be an integer.`, { field: 'seed' });
  }
  return seed >>> 0;
}

/** Logit bias as parallel arrays in order of ids. Throws `token-out-of-range` or `invalid-argument`. */
export function biasOf(bias: ReadonlyMap<number, number> | undefined, vocabSize: number): SparseBias {
  const entries = [...(bias ?? [])].sort(([a], [b]) => a - b);
  for (const [id, value] of entries) {
    if (!Number.isInteger(id) || id < 0 || id >= vocabSize) {
      throw new MimoError('token-out-of-range', `bias: id ${id} is not in the vocabulary of ${vocabSize} ids.`, { id });
    }
    // Infinities are meant (never, always); a finite value that becomes one on its way to the runner is not.
    const isBeyond = Number.isFinite(value) && !Number.isFinite(Math.fround(value));
    if (Number.isNaN(value) || isBeyond) {
      const problem = isBeyond ? `${value}, beyond the largest float32` : 'NaN';
      throw new MimoError('invalid-argument', `bias: the value of id ${id} is ${problem}.`, { id, field: 'bias' });
    }
  }
  return { ids: Int32Array.from(entries, ([id]) => id), values: Float32Array.from(entries, ([, value]) => value) };
}

/** Every id seen in prompt or answer, with how often it occurs in the answer; grows with the answer. */
export class TokenCounts {
  readonly ids: number[] = [];
  readonly values: number[] = [];
  readonly #index = new Map<number, number>();

  constructor(prompt: Iterable<number>) {
    for (const id of prompt) this.#at(id);
  }

  /** An id of the answer. */
  add(id: number): void {
    this.values[this.#at(id)]++;
  }

  #at(id: number): number {
    let index = this.#index.get(id);
    if (index === undefined) {
      index = this.ids.length;
      this.#index.set(id, index);
      this.ids.push(id);
      this.values.push(0);
    }
    return index;
  }
}
