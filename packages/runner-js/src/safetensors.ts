// The header of a safetensors file: names, dtypes, shapes and byte ranges, all checked before a byte of data is read.
// Format: 8 bytes little-endian header length, JSON header, data. What the tensors mean is checkpoint.ts and weights.ts.
import { MimoError } from '@mimokit/protocol';

export interface TensorEntry {
  file: string;
  dtype: string;
  shape: readonly number[];
  /** Byte range in the file. */
  start: number;
  end: number;
}

const dtypeBytes: Readonly<Record<string, number>> = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  F8_E5M2: 1,
  F8_E4M3: 1,
  F8_E8M0: 1,
  I16: 2,
  U16: 2,
  F16: 2,
  BF16: 2,
  I32: 4,
  U32: 4,
  F32: 4,
  F64: 8,
  I64: 8,
  U64: 8,
};
const maxHeaderBytes = 100_000_000;

function malformed(file: string, message: string, values: Record<string, unknown> = {}): never {
  throw new MimoError('checkpoint-malformed', `${file}: ${message}`, {
    hint: 'The file is damaged or was cut off; fetch it again and compare its checksum.',
    file,
    ...values,
  });
}

/** Length in bytes of the JSON header, from the first 8 bytes of a file of `fileBytes`. */
export function headerLength(file: string, first: Uint8Array, fileBytes: number): number {
  if (first.length < 8) malformed(file, `${fileBytes} bytes are too short for a safetensors file.`);
  const view = new DataView(first.buffer, first.byteOffset, 8);
  const length = view.getUint32(0, true) + view.getUint32(4, true) * 4294967296;
  if (length > maxHeaderBytes || length > fileBytes - 8) {
    malformed(file, `the header claims ${length} bytes; the file has ${fileBytes}.`, {
      headerBytes: length,
      fileBytes,
    });
  }
  return length;
}

/** Parses a header. Every data byte must belong to exactly one tensor: no overlap, no hole, no tail. */
export function readHeader(file: string, header: Uint8Array, fileBytes: number): Map<string, TensorEntry> {
  let text: string;
  let parsed: unknown;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(header);
    parsed = JSON.parse(text);
  } catch (cause) {
    return malformed(file, 'the header is not JSON in UTF-8.', { cause });
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed))
    malformed(file, 'the header is not a JSON object.');
  const entries = Object.entries(parsed as Record<string, unknown>);
  if (countTopLevelKeys(text) !== entries.length) malformed(file, 'the header names a tensor twice.');

  const dataStart = 8 + header.length;
  const tensors = new Map<string, TensorEntry>();
  for (const [name, value] of entries) {
    if (name !== '__metadata__') tensors.set(name, readEntry(file, name, value, dataStart));
  }

  const ordered = [...tensors].sort(([, a], [, b]) => a.start - b.start || a.end - b.end);
  let at = dataStart;
  for (const [tensor, entry] of ordered) {
    if (entry.end > fileBytes)
      malformed(file, `${tensor} ends at byte ${entry.end} of ${fileBytes}.`, { tensor, end: entry.end, fileBytes });
    if (entry.start !== at) {
      const what =
        entry.start < at ? 'overlaps the tensor before it' : `leaves a hole of ${entry.start - at} bytes before it`;
      malformed(file, `${tensor} ${what}.`, { tensor });
    }
    at = entry.end;
  }
  if (at !== fileBytes) malformed(file, `${fileBytes - at} bytes after the last tensor belong to none.`);
  return tensors;
}

function readEntry(file: string, tensor: string, value: unknown, dataStart: number): TensorEntry {
  const {
    dtype,
    shape,
    data_offsets: offsets,
  } = (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>;
  if (typeof dtype !== 'string' || !Object.hasOwn(dtypeBytes, dtype)) {
    throw new MimoError(
      'checkpoint-tensor-dtype',
      `${file}: ${tensor} has dtype ${String(dtype)}, which is not a safetensors dtype.`,
      { file, tensor },
    );
  }
  if (!isCounts(shape)) malformed(file, `${tensor} has no valid shape.`, { tensor });
  if (!isCounts(offsets) || offsets.length !== 2) malformed(file, `${tensor} has no valid data_offsets.`, { tensor });
  let bytes = dtypeBytes[dtype];
  for (const extent of shape) bytes *= extent;
  if (!Number.isSafeInteger(bytes) || offsets[1] - offsets[0] !== bytes) {
    malformed(
      file,
      `${tensor} of shape [${shape.join(',')}] ${dtype} needs ${bytes} bytes; data_offsets give ${offsets[1] - offsets[0]}.`,
      { tensor },
    );
  }
  return { file, dtype, shape, start: dataStart + offsets[0], end: dataStart + offsets[1] };
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((entry) => Number.isSafeInteger(entry) && entry >= 0);
}

/** Keys of the outermost object of valid JSON: JSON.parse silently keeps the last of two equal ones. */
function countTopLevelKeys(json: string): number {
  let depth = 0;
  let keys = 0;
  let inString = false;
  for (let index = 0; index < json.length; index++) {
    const char = json[index];
    if (inString) {
      if (char === '\\') index++;
      else if (char === '"') inString = false;
    } else if (char === '"') inString = true;
    else if (char === '{' || char === '[') depth++;
    else if (char === '}' || char === ']') depth--;
    else if (char === ':' && depth === 1) keys++;
  }
  return keys;
}
