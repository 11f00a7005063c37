// Files that must be the ones they were when the package was made.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { MimoError } from '@mimokit/protocol';

export interface PinnedFile {
  readonly name: string;
  readonly bytes: number;
  readonly sha256: string;
}

/** Throws `checkpoint-missing-file` or `checkpoint-malformed` for the first file that is not the pinned one. */
export function checkFiles(directory: string, files: readonly PinnedFile[]): void {
  for (const { name, bytes, sha256 } of files) {
    const file = join(directory, name);
    const data = read(file);
    const found = createHash('sha256').update(data).digest('hex');
    if (data.length !== bytes || found !== sha256) {
      throw new MimoError(
        'checkpoint-malformed',
        `${file} is not the file of this package: ${data.length} bytes with SHA-256 ${found}, pinned are ${bytes} bytes with ${sha256}.`,
        { file, hint: 'Install @mimokit/nano again.' },
      );
    }
  }
}

function read(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (cause) {
    throw new MimoError('checkpoint-missing-file', `${file} cannot be read.`, {
      file,
      cause,
      hint: 'Install @mimokit/nano again.',
    });
  }
}
