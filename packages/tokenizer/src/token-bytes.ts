// The bytes of every token, back to back.

export interface TokenBytes {
  /** All tokens' bytes; sixteen spare bytes at the end allow copies in words. */
  readonly bytes: Uint8Array;
  /** Token `id` is `bytes[offsets[id] .. offsets[id + 1])`; empty where no token has that id. */
  readonly offsets: Int32Array;
}

/** Packs tokens by id; a hole in the array is an id without a token. */
export function packTokenBytes(tokens: readonly (Uint8Array | undefined)[]): TokenBytes {
  const offsets = new Int32Array(tokens.length + 1);
  let total = 0;
  for (let id = 0; id < tokens.length; id++) {
    total += tokens[id]?.length ?? 0;
    offsets[id + 1] = total;
  }
  const bytes = new Uint8Array(total + 16);
  for (let id = 0; id < tokens.length; id++) {
    const token = tokens[id];
    if (token !== undefined) bytes.set(token, offsets[id]);
  }
  return { bytes, offsets };
}
