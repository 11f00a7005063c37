// How many drafts come true: counts for statistics, a moving rate for the policy.

export class Acceptance {
  /** Steps that verified at least one draft. */
  verified = 0;
  proposed = 0;
  accepted = 0;
  readonly #weight: number;
  #rate: number;
  readonly #rates: number[] = [];

  /** `initialRate` is believed until about `1 / weight` drafts were verified. */
  constructor(initialRate = 0.6, weight: number = 1 / 32) {
    this.#rate = initialRate;
    this.#weight = weight;
  }

  /** Probability that a draft whose predecessors were accepted is accepted too, moving with the text. */
  get rate(): number {
    return this.#rate;
  }

  /** The same of the draft at `index` of its step: later heads guess worse. Until it was judged, the rate of all. */
  rateOf(index: number): number {
    return this.#rates[index] ?? this.#rate;
  }

  /** Accepted drafts + 1, on average over verifying steps; 1 when there was none. */
  get meanAcceptLength(): number {
    return this.verified === 0 ? 1 : 1 + this.accepted / this.verified;
  }

  observe({ proposed, accepted }: { proposed: number; accepted: number }): void {
    if (proposed === 0) return;
    this.verified++;
    this.proposed += proposed;
    this.accepted += accepted;
    // Drafts after the first rejected one say nothing: they were judged on a text that did not come.
    const judged = Math.min(proposed, accepted + 1);
    for (let index = 0; index < judged; index++) {
      const outcome = index < accepted ? 1 : 0;
      this.#rates[index] = this.rateOf(index) + this.#weight * (outcome - this.rateOf(index));
      this.#rate += this.#weight * (outcome - this.#rate);
    }
  }
}
