// Matrix products and RMSNorm. One rule makes a result independent of batch, chunk and draft depth: every output element is
// one sum in index order, in f64, rounded to FP32 once. Tiling only changes which sums run side by side.

/** y = W x. `fp8`: stored in FP8, so its input is quantised too where dynamic activation quantisation is on. */
export interface Linear {
  /** [outputs, inputs], FP32 (dequantised). */
  weight: Float32Array;
  outputs: number;
  inputs: number;
  fp8: boolean;
}

/** y [rows, outputs] = x [rows, inputs] W^T, for outputs from..to only. */
export function linear(
  layer: Linear,
  x: Float32Array,
  rows: number,
  y: Float32Array,
  from = 0,
  to: number = layer.outputs,
): void {
  let row = 0;
  for (; row + 4 <= rows; row += 4) fourRows(layer, x, row, y, from, to);
  for (; row < rows; row++) oneRow(layer, x, row, y, from, to);
}

/** Four inputs against two weight rows at a time. */
function fourRows(
  { weight, inputs, outputs }: Linear,
  x: Float32Array,
  row: number,
  y: Float32Array,
  from: number,
  to: number,
): void {
  const x0 = row * inputs;
  const x1 = x0 + inputs;
  const x2 = x1 + inputs;
  const x3 = x2 + inputs;
  const y0 = row * outputs;
  const y1 = y0 + outputs;
  const y2 = y1 + outputs;
  const y3 = y2 + outputs;
  for (let output = from; output < to; output += 2) {
    // An odd last output is computed twice instead of having a loop of its own.
    const next = output + 1 < to ? output + 1 : output;
    const u = output * inputs;
    const v = next * inputs;
    let u0 = 0;
    let u1 = 0;
    let u2 = 0;
    let u3 = 0;
    let v0 = 0;
    let v1 = 0;
    let v2 = 0;
    let v3 = 0;
    for (let k = 0; k < inputs; k++) {
      const a = weight[u + k];
      const b = weight[v + k];
      const p = x[x0 + k];
      const q = x[x1 + k];
      const r = x[x2 + k];
      const s = x[x3 + k];
      u0 += a * p;
      u1 += a * q;
      u2 += a * r;
      u3 += a * s;
      v0 += b * p;
      v1 += b * q;
      v2 += b * r;
      v3 += b * s;
    }
    y[y0 + output] = u0;
    y[y1 + output] = u1;
    y[y2 + output] = u2;
    y[y3 + output] = u3;
    y[y0 + next] = v0;
    y[y1 + next] = v1;
    y[y2 + next] = v2;
    y[y3 + next] = v3;
  }
}

/** One input against four weight rows at a time. */
function oneRow(
  { weight, inputs, outputs }: Linear,
  x: Float32Array,
  row: number,
  y: Float32Array,
  from: number,
  to: number,
): void {
  const start = row * inputs;
  const into = row * outputs;
  let output = from;
  for (; output + 4 <= to; output += 4) {
    const w0 = output * inputs;
    const w1 = w0 + inputs;
    const w2 = w1 + inputs;
    const w3 = w2 + inputs;
    let s0 = 0;
    let s1 = 0;
    let s2 = 0;
    let s3 = 0;
    for (let k = 0; k < inputs; k++) {
      const value = x[start + k];
      s0 += weight[w0 + k] * value;
      s1 += weight[w1 + k] * value;
      s2 += weight[w2 + k] * value;
      s3 += weight[w3 + k] * value;
    }
    y[into + output] = s0;
    y[into + output + 1] = s1;
    y[into + output + 2] = s2;
    y[into + output + 3] = s3;
  }
  for (; output < to; output++) {
    const w = output * inputs;
    let sum = 0;
    for (let k = 0; k < inputs; k++) sum += weight[w + k] * x[start + k];
    y[into + output] = sum;
  }
}

/** y = x / sqrt(mean(x^2) + epsilon) * weight, for each of `rows` rows; x and y may be the same array. */
export function rmsNorm(x: Float32Array, rows: number, weight: Float32Array, epsilon: number, y: Float32Array): void {
  const width = weight.length;
  for (let row = 0; row < rows; row++) {
    const start = row * width;
    let squares = 0;
    for (let index = 0; index < width; index++) squares += x[start + index] * x[start + index];
    const scale = 1 / Math.sqrt(squares / width + epsilon);
    for (let index = 0; index < width; index++) y[start + index] = x[start + index] * scale * weight[index];
  }
}

/** x += y over the first `length` values. */
export function addInto(x: Float32Array, y: Float32Array, length: number): void {
  for (let index = 0; index < length; index++) x[index] += y[index];
}
