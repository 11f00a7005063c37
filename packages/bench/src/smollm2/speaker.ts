// What is asked of both engines, through the interface a user of theirs has.

/** Times in milliseconds. */
export interface Speaker {
  readonly name: string;
  readonly threads: number;
  /** Time of a prompt that nothing is known of. */
  prefill(ids: readonly number[]): Promise<number>;
  /** Time per id of `count` ids after the first one. */
  decode(ids: readonly number[], count: number): Promise<number>;
  /** Reads a prefix that questions will follow. */
  remember(prefix: readonly number[]): Promise<void>;
  /** Time until the first id after the remembered prefix and `question`. */
  first(question: readonly number[]): Promise<number>;
}
