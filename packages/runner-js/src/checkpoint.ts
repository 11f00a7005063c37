// A checkpoint in the hub's layout: config.json and one or many safetensors files with their index. Finds tensors by name
// and decodes them to FP32, one at a time, so that a whole file never has to be in memory. Roles and shapes: weights.ts.
import { isMimoError, MimoError } from '@mimokit/protocol';
import { type ModelConfig, readConfig } from './config.ts';
import { decodeBf16, decodeE4m3 } from './fp8.ts';
import { headerLength, readHeader, type TensorEntry } from './safetensors.ts';

/** Where a checkpoint's bytes come from: a directory, a map in memory, blobs in a browser. */
export interface CheckpointFiles {
  /** Bytes of each file, by name. */
  readonly sizes: ReadonlyMap<string, number>;
  /** Bytes [start, end) of a file. */
  read(name: string, start: number, end: number): Promise<Uint8Array>;
}

/** Files that are in memory already. */
export function filesInMemory(files: ReadonlyMap<string, Uint8Array>): CheckpointFiles {
  return {
    sizes: new Map([...files].map(([name, bytes]) => [name, bytes.length])),
    read: async (name, start, end) => (files.get(name) ?? new Uint8Array()).subarray(start, end),
  };
}

const indexFile = 'model.safetensors.index.json';
const singleFile = 'model.safetensors';
const mostIndexBytes = 256 * 2 ** 20;
/** Parsed JSON takes many times its text, so configs are held far below what an index may be. */
const mostConfigBytes = 2 ** 18;

/** Reads a small text file whole. Throws `checkpoint-missing-file`, or `checkpoint-malformed` when it is not UTF-8. */
async function readText(files: CheckpointFiles, file: string, mostBytes: number): Promise<string> {
  const bytes = files.sizes.get(file);
  if (bytes === undefined) {
    throw new MimoError('checkpoint-missing-file', `${file} is missing.`, {
      hint: 'Point at a directory in the hub format: config.json and *.safetensors.',
      file,
    });
  }
  if (bytes > mostBytes) {
    throw new MimoError('checkpoint-malformed', `${file} has ${bytes} bytes, over ${mostBytes}.`, { file });
  }
  const content = await readExactly(files, file, 0, bytes);
  try {
    // A byte order mark is no JSON and must not vanish here.
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(content);
  } catch (cause) {
    throw new MimoError('checkpoint-malformed', `${file} is not UTF-8 text.`, { file, cause });
  }
}

/** config.json and generation_config.json, read and checked. Throws `config-invalid`, `config-unsupported` and `checkpoint-missing-file`. */
export async function openConfig(files: CheckpointFiles): Promise<ModelConfig> {
  const text = async (file: string): Promise<string> => {
    try {
      return await readText(files, file, mostConfigBytes);
    } catch (error) {
      // Whatever is wrong inside it is a fault of the config.
      if (!isMimoError(error) || error.code !== 'checkpoint-malformed') throw error;
      throw new MimoError('config-invalid', error.message, { file, cause: error });
    }
  };
  const file = 'generation_config.json';
  const generation = files.sizes.has(file) ? { file, text: await text(file) } : undefined;
  return readConfig(await text('config.json'), generation);
}

/** A source may give fewer bytes than it promised, for instance when the file shrinks under us. */
async function readExactly(files: CheckpointFiles, file: string, start: number, end: number): Promise<Uint8Array> {
  const bytes = await files.read(file, start, end);
  if (bytes.length !== end - start) {
    throw new MimoError('checkpoint-malformed', `${file}: bytes ${start} to ${end} gave ${bytes.length} bytes.`, {
      file,
    });
  }
  return bytes;
}

/** All tensors of a checkpoint by name; nothing is decoded before it is asked for. */
export class Checkpoint {
  readonly #files: CheckpointFiles;
  readonly #entries: ReadonlyMap<string, TensorEntry>;
  /** Bytes of tensor data read so far, and in all. */
  loadedBytes = 0;
  readonly totalBytes: number;

  constructor(files: CheckpointFiles, entries: ReadonlyMap<string, TensorEntry>) {
    this.#files = files;
    this.#entries = entries;
    this.totalBytes = [...entries.values()].reduce((sum, { start, end }) => sum + end - start, 0);
  }

  static async open(files: CheckpointFiles): Promise<Checkpoint> {
    if (!files.sizes.has(indexFile)) {
      // Without an index one file holds all: which of several shards would count is a guess that nobody makes.
      if (!files.sizes.has(singleFile)) {
        throw new MimoError('checkpoint-missing-file', `There is neither ${singleFile} nor ${indexFile}.`, {
          hint: 'Point at a directory in the hub format; shards need their index.',
          file: singleFile,
        });
      }
      return new Checkpoint(files, await readShardHeader(files, singleFile));
    }
    const wanted = await readIndex(files);
    const entries = new Map<string, TensorEntry>();
    for (const shard of new Set(wanted.values())) {
      for (const [tensor, entry] of await readShardHeader(files, shard)) {
        if (wanted.get(tensor) === shard) entries.set(tensor, entry);
      }
    }
    for (const [tensor, file] of wanted) {
      if (!entries.has(tensor)) {
        throw new MimoError(
          'checkpoint-malformed',
          `${indexFile} places ${tensor} in ${file}, which does not hold it.`,
          { tensor, file },
        );
      }
    }
    return new Checkpoint(files, entries);
  }

  has(tensor: string): boolean {
    return this.#entries.has(tensor);
  }

  names(): Iterable<string> {
    return this.#entries.keys();
  }

  entry(tensor: string): TensorEntry {
    const entry = this.#entries.get(tensor);
    if (entry === undefined) {
      throw new MimoError('checkpoint-tensor-missing', `${tensor} is in no file of the checkpoint.`, {
        tensor,
        hint: 'Is a shard missing, or does config.json belong to another model?',
      });
    }
    return entry;
  }

  /** Decodes a tensor to FP32, after checking shape and dtype; E4M3 bytes come without their scales. */
  async read(tensor: string, shape: readonly number[], dtypes: readonly string[]): Promise<Float32Array> {
    const entry = this.entry(tensor);
    const { file, dtype } = entry;
    if (!dtypes.includes(dtype)) {
      throw new MimoError(
        'checkpoint-tensor-dtype',
        `${file}: ${tensor} is ${dtype}; expected ${dtypes.join(' or ')}.`,
        { file, tensor, dtype },
      );
    }
    if (entry.shape.length !== shape.length || entry.shape.some((extent, axis) => extent !== shape[axis])) {
      throw new MimoError(
        'checkpoint-tensor-shape',
        `${file}: ${tensor} is [${entry.shape.join(',')}]; config.json asks for [${shape.join(',')}].`,
        {
          file,
          tensor,
          found: entry.shape,
          expected: shape,
        },
      );
    }
    const bytes = await readExactly(this.#files, file, entry.start, entry.end);
    this.loadedBytes += bytes.length;
    if (dtype === 'F8_E4M3') {
      const nan = bytes.findIndex((byte) => (byte & 127) === 127);
      if (nan !== -1) {
        throw new MimoError('checkpoint-malformed', `${file}: ${tensor} holds NaN at element ${nan}.`, {
          hint: 'The file is damaged, or was quantised from a broken model.',
          file,
          tensor,
        });
      }
      return decodeE4m3(bytes);
    }
    if (dtype === 'BF16') return decodeBf16(bytes);
    return decodeF32(bytes);
  }
}

async function readShardHeader(files: CheckpointFiles, shard: string): Promise<Map<string, TensorEntry>> {
  const fileBytes = files.sizes.get(shard);
  if (fileBytes === undefined) {
    throw new MimoError('checkpoint-missing-file', `${shard} is missing; ${indexFile} names it.`, {
      file: shard,
      hint: 'Fetch the missing shard.',
    });
  }
  const length = headerLength(shard, await readExactly(files, shard, 0, Math.min(8, fileBytes)), fileBytes);
  return readHeader(shard, await readExactly(files, shard, 8, 8 + length), fileBytes);
}

async function readIndex(files: CheckpointFiles): Promise<Map<string, string>> {
  const text = await readText(files, indexFile, mostIndexBytes);
  let map: unknown;
  try {
    map = (JSON.parse(text) as { weight_map?: unknown } | null)?.weight_map;
  } catch (cause) {
    throw new MimoError('checkpoint-malformed', `${indexFile} is not JSON.`, { file: indexFile, cause });
  }
  if (typeof map !== 'object' || map === null || Array.isArray(map)) {
    throw new MimoError('checkpoint-malformed', `${indexFile} has no weight_map.`, {
      file: indexFile,
      field: 'weight_map',
    });
  }
  const wanted = new Map<string, string>();
  for (const [tensor, file] of Object.entries(map as Record<string, unknown>)) {
    // A shard's name never leaves its directory.
    if (typeof file !== 'string' || /[/\\\0]/.test(file) || !file.endsWith('.safetensors')) {
      throw new MimoError('checkpoint-malformed', `${indexFile}: weight_map has no file name for ${tensor}.`, {
        file: indexFile,
        field: 'weight_map',
        tensor,
      });
    }
    wanted.set(tensor, file);
  }
  return wanted;
}

function decodeF32(bytes: Uint8Array): Float32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const values = new Float32Array(bytes.length / 4);
  for (let index = 0; index < values.length; index++) values[index] = view.getFloat32(index * 4, true);
  return values;
}
