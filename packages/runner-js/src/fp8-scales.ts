// Which scale belongs to which row of an FP8 weight: plain blocks, or the grid of the hub's global K and V projections,
// which restarts per KV head over the fused rows [K | V]. Bytes and rounding are fp8.ts.

/** Multiplies weight [rows, columns] by scales: `scaleRow(row)` names the scale row, columns go in blocks. */
export function applyScales(
  weight: Float32Array,
  rows: number,
  columns: number,
  scales: Float32Array,
  blockColumns: number,
  scaleRow: (row: number) => number,
): void {
  const scaleColumns = Math.ceil(columns / blockColumns);
  for (let row = 0; row < rows; row++) {
    const scaleStart = scaleRow(row) * scaleColumns;
    for (let column = 0; column < columns; column++) {
      weight[row * columns + column] *= scales[scaleStart + Math.floor(column / blockColumns)];
    }
  }
}

/** Scale rows of a K or V projection when the grid restarts per KV head; `value` 0 means that this grid cannot occur. */
export interface HeadGrid {
  perHead: number;
  key: number;
  value: number;
}

/** The fused grid of one KV head: ceil((headDim + valueDim) / blockRows) rows, the first ceil(headDim / blockRows) stored with K. */
export function headGrid(headDim: number, valueDim: number, blockRows: number): HeadGrid {
  const perHead = Math.ceil((headDim + valueDim) / blockRows);
  const key = Math.ceil(headDim / blockRows);
  return { perHead, key, value: perHead - key };
}

/** The scales of K [kvHeads * key, width] and V [kvHeads * value, width] in fused order: per head its K rows, then its V rows. */
export function fuseHeadScales(
  grid: HeadGrid,
  kvHeads: number,
  width: number,
  keyScales: Float32Array,
  valueScales: Float32Array,
): Float32Array {
  const fused = new Float32Array(kvHeads * grid.perHead * width);
  for (let head = 0; head < kvHeads; head++) {
    const at = head * grid.perHead * width;
    fused.set(keyScales.subarray(head * grid.key * width, (head + 1) * grid.key * width), at);
    fused.set(valueScales.subarray(head * grid.value * width, (head + 1) * grid.value * width), at + grid.key * width);
  }
  return fused;
}
