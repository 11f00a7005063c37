// What all ways of cutting a text into pieces have in common.

/** How many bytes a splitter reads at a time at most, unless a piece is longer. */
export const blockBytes = 4096;

/** Where the pieces begin that a splitter has found last; piece `i` ends where the next begins. One for all: nothing waits. */
export const pieceStarts: Int32Array = new Int32Array(blockBytes + 8);

export interface Splitter {
  /** NFC flags of the characters since `begin` (char-class.ts); -1 from a splitter that does not look for them. */
  readonly flags: number;
  /** The next text begins. */
  begin(): void;
  /**
   * Puts the next pieces of `bytes[0 .. length)` into `pieceStarts` and returns how many; 0 at the end. A space must follow
   * the text, and eight readable bytes; `view` is over the same memory.
   */
  next(bytes: Uint8Array, view: DataView, length: number): number;
}
