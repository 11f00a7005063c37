// A safetensors file whose tensors are known beforehand and written in any order, some rows at a time. Widest format first, then by
// name, so that every tensor is aligned.
import { type FileHandle, open } from 'node:fs/promises';

export interface TensorEntry {
  readonly name: string;
  readonly dtype: 'F32' | 'BF16' | 'F8_E4M3';
  readonly shape: readonly number[];
}

const widths = { F32: 4, BF16: 2, F8_E4M3: 1 } as const;

export class SafetensorsWriter implements AsyncDisposable {
  /** Of all tensors, without the header. */
  readonly dataBytes: number;
  readonly #handle: FileHandle;
  /** Where the next bytes of each tensor go. */
  readonly #next: Map<string, number>;
  readonly #ends: ReadonlyMap<string, number>;

  private constructor(
    handle: FileHandle,
    next: Map<string, number>,
    ends: ReadonlyMap<string, number>,
    dataBytes: number,
  ) {
    this.#handle = handle;
    this.#next = next;
    this.#ends = ends;
    this.dataBytes = dataBytes;
  }

  /** Writes the header. */
  static async create(path: string, entries: readonly TensorEntry[]): Promise<SafetensorsWriter> {
    const ordered = entries.toSorted((a, b) => widths[b.dtype] - widths[a.dtype] || (a.name < b.name ? -1 : 1));
    const fields: [string, unknown][] = [['__metadata__', { format: 'pt' }]];
    const begins = new Map<string, number>();
    const ends = new Map<string, number>();
    let end = 0;
    for (const { name, dtype, shape } of ordered) {
      const begin = end;
      end += shape.reduce((product, each) => product * each, widths[dtype]);
      begins.set(name, begin);
      ends.set(name, end);
      fields.push([name, { dtype, shape, data_offsets: [begin, end] }]);
    }
    const json = Buffer.from(JSON.stringify(Object.fromEntries(fields)));
    const header = Buffer.alloc(8 + Math.ceil(json.length / 8) * 8, ' ');
    header.writeBigUInt64LE(BigInt(header.length - 8), 0);
    json.copy(header, 8);
    const handle = await open(path, 'wx');
    try {
      await handle.truncate(header.length + end);
      await writeAll(handle, header, 0);
    } catch (error) {
      await handle.close();
      throw error;
    }
    const shifted = (places: Map<string, number>): Map<string, number> =>
      new Map([...places].map(([name, place]) => [name, place + header.length]));
    return new SafetensorsWriter(handle, shifted(begins), shifted(ends), end);
  }

  /** The next values of a tensor, in its own format. */
  async append(name: string, values: Float32Array | Uint16Array | Uint8Array): Promise<void> {
    const at = this.#next.get(name)!;
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    if (at + bytes.length > this.#ends.get(name)!) throw new RangeError(`${name} has more values than its shape.`);
    await writeAll(this.#handle, bytes, at);
    this.#next.set(name, at + bytes.length);
  }

  /** Closes the file; every tensor must be there. */
  async finish(): Promise<void> {
    for (const [name, end] of this.#ends)
      if (this.#next.get(name) !== end) throw new RangeError(`${name} has fewer values than its shape.`);
    await this.#handle.sync();
    await this.#handle.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // After finish() this does nothing.
    await this.#handle.close();
  }
}

async function writeAll(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}
