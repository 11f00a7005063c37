// A GGUF file: its header through @huggingface/gguf, checked against the file, and its tensors as float32, some rows at a time. What a
// model makes of them is source-model.ts.
import { type FileHandle, open } from 'node:fs/promises';
import { gguf } from '@huggingface/gguf';
import { MimoError } from '@mimokit/protocol';
import { type TensorFormat, tensorFormats } from './dequantize.ts';

export interface GgufTensor {
  readonly name: string;
  /** Row-major, as a matrix; a vector is one row. */
  readonly rows: number;
  readonly columns: number;
  readonly format: TensorFormat;
  /** Where its first byte is in the file. */
  readonly start: number;
}

/** Longest string a message quotes. */
const quoted = 80;

export class GgufFile implements AsyncDisposable {
  readonly path: string;
  readonly #handle: FileHandle;
  readonly #metadata: ReadonlyMap<string, unknown>;
  readonly #tensors: ReadonlyMap<string, GgufTensor>;
  readonly #used = new Set<string>();

  private constructor(
    path: string,
    handle: FileHandle,
    metadata: ReadonlyMap<string, unknown>,
    tensors: ReadonlyMap<string, GgufTensor>,
  ) {
    this.path = path;
    this.#handle = handle;
    this.#metadata = metadata;
    this.#tensors = tensors;
  }

  /** Throws `checkpoint-malformed` where header and file do not agree, `checkpoint-tensor-dtype` for a format it does not read. */
  static async open(path: string): Promise<GgufFile> {
    const handle = await open(path, 'r');
    try {
      const { size } = await handle.stat();
      const header = await readHeader(path, size);
      const tensors = new Map<string, GgufTensor>();
      for (const info of header.tensorInfos) {
        if (tensors.has(info.name)) throw malformed(path, `has two tensors named ${quote(info.name)}`);
        tensors.set(info.name, checkedTensor(path, size, header.tensorDataOffset, info));
      }
      return new GgufFile(path, handle, new Map(Object.entries(header.metadata)), tensors);
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle.close();
  }

  has(key: string): boolean {
    return this.#metadata.has(key);
  }

  text(key: string): string {
    return this.#value(key, 'a text', (value) => typeof value === 'string') as string;
  }

  number(key: string): number {
    return Number(this.#value(key, 'a number', (value) => typeof value === 'number' || typeof value === 'bigint'));
  }

  /** A whole number within bounds. */
  count(key: string, least: number, most: number): number {
    const value = this.number(key);
    if (Number.isSafeInteger(value) && value >= least && value <= most) return value;
    throw malformed(this.path, `says ${key} = ${value}, which is not from ${least} to ${most}`);
  }

  texts(key: string): readonly string[] {
    const isTexts = (value: unknown): boolean =>
      Array.isArray(value) && value.every((each) => typeof each === 'string');
    return this.#value(key, 'a list of texts', isTexts) as string[];
  }

  numbers(key: string): readonly number[] {
    const isNumbers = (value: unknown): boolean =>
      Array.isArray(value) && value.every((each) => typeof each === 'number');
    return this.#value(key, 'a list of numbers', isNumbers) as number[];
  }

  hasTensor(name: string): boolean {
    return this.#tensors.has(name);
  }

  /** A tensor of a shape: [rows, columns], or [columns] for a vector. Throws when it is missing or has another shape. */
  tensor(name: string, shape: readonly number[]): GgufTensor {
    const found = this.#tensors.get(name);
    if (found === undefined)
      throw new MimoError('checkpoint-tensor-missing', `${this.path} has no tensor ${name}.`, { tensor: name });
    const [rows, columns] = shape.length === 1 ? [1, shape[0]] : shape;
    if (found.rows !== rows || found.columns !== columns) {
      throw new MimoError(
        'checkpoint-tensor-shape',
        `${name} in ${this.path} is [${found.rows}, ${found.columns}]; its header's sizes ask for [${rows}, ${columns}].`,
        { tensor: name, found: [found.rows, found.columns], expected: [rows, columns] },
      );
    }
    this.#used.add(name);
    return found;
  }

  /** A tensor that was looked up before. */
  known(name: string): GgufTensor {
    return this.#tensors.get(name)!;
  }

  /** Tensors that nobody has looked up. */
  unusedTensors(): string[] {
    return [...this.#tensors.keys()].filter((name) => !this.#used.has(name));
  }

  /** Rows `from` to `from + count` as float32. */
  async read(
    { name, columns, format, start }: GgufTensor,
    from: number,
    count: number,
  ): Promise<Float32Array<ArrayBuffer>> {
    const { blockValues, blockBytes, read } = format;
    const blocks = (count * columns) / blockValues;
    const bytes = new Uint8Array(blocks * blockBytes);
    const position = start + ((from * columns) / blockValues) * blockBytes;
    for (let done = 0; done < bytes.length;) {
      const { bytesRead } = await this.#handle.read(bytes, done, bytes.length - done, position + done);
      if (bytesRead === 0) throw malformed(this.path, `ended while ${name} was read`);
      done += bytesRead;
    }
    const view = new DataView(bytes.buffer);
    const out = new Float32Array(count * columns);
    for (let block = 0; block < blocks; block++) read(view, block * blockBytes, out, block * blockValues);
    return out;
  }

  #value(key: string, kind: string, is: (value: unknown) => boolean): unknown {
    const value = this.#metadata.get(key);
    if (is(value)) return value;
    throw malformed(this.path, value === undefined ? `has no ${key}` : `has a ${key} that is not ${kind}`);
  }
}

type Header = Awaited<ReturnType<typeof gguf>>;

/** The library bounds counts and lengths; it reads zeros after the end of a file, hence the check of where the header ends. */
async function readHeader(path: string, size: number): Promise<Header> {
  let header: Header;
  try {
    header = await gguf(path, { allowLocalFile: true });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw malformed(path, `has no readable header: ${quote(reason)}`, cause);
  }
  if (!header.littleEndian) throw malformed(path, 'is big-endian');
  if (header.tensorInfoByteRange[1] > size) throw malformed(path, 'ends inside its header');
  return header;
}

function checkedTensor(
  path: string,
  size: number,
  dataOffset: bigint,
  info: Header['tensorInfos'][number],
): GgufTensor {
  const { name, shape, dtype, offset } = info;
  const format = tensorFormats.get(dtype);
  if (format === undefined) {
    const known = [...tensorFormats.values()].map((each) => each.name).join(', ');
    throw new MimoError('checkpoint-tensor-dtype', `${quote(name)} in ${path} has ggml type ${dtype}.`, {
      hint: `These are read: ${known}.`,
      tensor: name,
      dtype,
    });
  }
  // GGUF names the fastest dimension first.
  const columns = Number(shape[0] ?? 1n);
  const rows = shape.slice(1).reduce((product, each) => product * Number(each), 1);
  const start = Number(dataOffset + offset);
  const bytes = ((rows * columns) / format.blockValues) * format.blockBytes;
  if (columns === 0 || rows === 0 || columns % format.blockValues !== 0)
    throw malformed(path, `says ${quote(name)} is [${rows}, ${columns}] of ${format.name}`);
  if (!Number.isSafeInteger(start) || !Number.isSafeInteger(bytes) || start + bytes > size)
    throw malformed(path, `says ${quote(name)} takes ${bytes} bytes from ${start} on, but has ${size}`);
  return { name, rows, columns, format, start };
}

const quote = (text: string): string => JSON.stringify(text.length > quoted ? `${text.slice(0, quoted)}…` : text);

function malformed(path: string, what: string, cause?: unknown): MimoError {
  return new MimoError('checkpoint-malformed', `${path} ${what}.`, {
    hint: 'Download the file again, or convert it afresh with llama.cpp.',
    file: path,
    ...(cause === undefined ? {} : { cause }),
  });
}
