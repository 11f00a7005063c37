// A safetensors file from tensor specs: headers as real ones, bytes random, or holes that take no room on the disk.
import { closeSync, ftruncateSync, openSync, renameSync, statSync, writeSync } from 'node:fs';
import { bytesPerElement, elementCount, type Fill, type StoredType, type TensorSpec } from './tensors.ts';

/** Random bytes of a type are drawn once, and written again from another start for every tensor. */
const patternBytes = 32 << 20;
const patterns = new Map<string, Uint8Array>();
let start = 0;

/** Writes `path`, unless it is there already and as long as it must be; a write that is stopped leaves no such file. */
export function writeSafetensors(path: string, tensors: readonly TensorSpec[]): number {
  let offset = 0;
  const entries = tensors.map((tensor) => {
    const { name, dtype, shape } = tensor;
    const from = offset;
    offset += elementCount(tensor) * bytesPerElement(dtype);
    return [name, { dtype, shape, data_offsets: [from, offset] }] as const;
  });
  const text = JSON.stringify({ __metadata__: { format: 'pt' }, ...Object.fromEntries(entries) });
  const header = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8));
  const length = 8 + header.length + offset;
  if (statSync(path, { throwIfNoEntry: false })?.size === length) return length;

  const partial = `${path}.partial`;
  const file = openSync(partial, 'w');
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(header.length));
  writeAll(file, Buffer.concat([prefix, header]), 0);
  ftruncateSync(file, length);
  let at = 8 + header.length;
  for (const tensor of tensors) {
    const bytes = elementCount(tensor) * bytesPerElement(tensor.dtype);
    if (tensor.fill !== 'hole') fill(file, at, bytes, patternOf(tensor.fill, tensor.dtype));
    at += bytes;
  }
  closeSync(file);
  renameSync(partial, path);
  return length;
}

function writeAll(file: number, bytes: Uint8Array, position: number): void {
  for (let done = 0; done < bytes.length;) done += writeSync(file, bytes, done, bytes.length - done, position + done);
}

function fill(file: number, position: number, bytes: number, pattern: Uint8Array): void {
  for (let done = 0; done < bytes;) {
    const part = pattern.subarray(start, start + Math.min(bytes - done, pattern.length - start));
    writeAll(file, part, position + done);
    done += part.length;
    // A multiple of every element's size, and another start each time.
    start = (start + part.length + 4 * 7919) % pattern.length;
  }
}

function patternOf(fillOf: Fill, dtype: StoredType): Uint8Array {
  const key = `${fillOf} ${dtype}`;
  let pattern = patterns.get(key);
  if (pattern === undefined) patterns.set(key, (pattern = draw(fillOf, dtype)));
  return pattern;
}

function draw(fillOf: Fill, dtype: StoredType): Uint8Array {
  const words = new Uint32Array(patternBytes / 4);
  let state = 0x9e3779b9;
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[i] = state;
  }
  const bytes = new Uint8Array(words.buffer);
  if (fillOf === 'ones') {
    if (dtype === 'BF16') new Uint16Array(words.buffer).fill(0x3f80);
    else new Float32Array(words.buffer).fill(1);
  } else if (dtype === 'F8_E4M3') {
    // All codes but the two NaNs are equally likely; their root mean square is about 110.
    for (let i = 0; i < bytes.length; i++) if ((bytes[i]! & 0x7f) === 0x7f) bytes[i]! ^= 0x10;
  } else if (dtype === 'BF16') {
    // Either sign, magnitudes from 2^-9 to 2^-7.
    const halves = new Uint16Array(words.buffer);
    for (let i = 0; i < halves.length; i++) halves[i] = (halves[i]! & 0x80ff) + 0x3b00;
  } else {
    // Scales make E4M3 weights of about 1/64; other floats are as small themselves.
    const floats = new Float32Array(words.buffer);
    for (let i = 0; i < floats.length; i++) {
      const unit = words[i]! / 2 ** 32;
      floats[i] = fillOf === 'scales' ? (1 + unit) * 1e-4 : (unit - 0.5) / 16;
    }
  }
  return bytes;
}
