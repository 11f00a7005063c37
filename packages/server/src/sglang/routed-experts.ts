// Chosen experts as SGLang sends them: base64 of int32, tokens × all layers × topK, zeros for layers without experts.

export interface RoutesShape {
  layers: number;
  moeLayers: number;
  topK: number;
}

/** `parts` are rows of moeLayers × topK ids. The layers without experts come first, as in every MiMo model. */
export function encodeRoutes(
  parts: readonly (Uint8Array | Uint16Array)[],
  { layers, moeLayers, topK }: RoutesShape,
): string {
  const width = moeLayers * topK;
  const dense = (layers - moeLayers) * topK;
  const rows = parts.reduce((total, part) => total + part.length / width, 0);
  const all = new Int32Array(rows * layers * topK);
  let row = 0;
  for (const part of parts) {
    for (let from = 0; from < part.length; from += width, row++) {
      all.set(part.subarray(from, from + width), row * layers * topK + dense);
    }
  }
  return toBase64(new Uint8Array(all.buffer));
}

function toBase64(bytes: Uint8Array): string {
  let text = '';
  // In pieces, since an argument list is bounded.
  for (let at = 0; at < bytes.length; at += 32_766) text += String.fromCharCode(...bytes.subarray(at, at + 32_766));
  return btoa(text);
}
