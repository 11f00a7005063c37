// What an encode pool and its worker threads say to each other. Texts travel as UTF-16 in buffers that go back and forth; ids
// come back in a buffer of their own. Nothing here is copied but spans and errors.
import { type ErrorCode, MimoError, type MimoErrorDetails } from '@mimokit/protocol';

/** Which tokenizer a pool has: the embedded one of MiMo, or that of a tokenizer.json. */
export type PoolVocabulary = 'mimo' | { readonly file: string | URL };

export interface EncodeTask {
  readonly kind: 'encode' | 'count';
  readonly text: string;
  /** As in EncodeOptions. */
  readonly special: boolean;
  /** Start and end of each literal span, one after the other. */
  readonly literal: Int32Array;
}

/** Sent after the last piece of a text: what to do with it. */
export type TaskOrder = Omit<EncodeTask, 'text'>;

export type ToWorker =
  | { type: 'piece'; buffer: Uint8Array<ArrayBuffer>; bytes: number; order: TaskOrder | undefined }
  /** The pieces so far are of no use any more. */
  | { type: 'forget' };

export type FromWorker =
  | { type: 'ready' }
  /** The vocabulary cannot be read. */
  | { type: 'refused'; error: ErrorRecord }
  /** A buffer to fill again. */
  | { type: 'taken'; buffer: Uint8Array<ArrayBuffer> }
  | { type: 'done'; value: Int32Array | number }
  | { type: 'failed'; error: ErrorRecord };

export interface ErrorRecord {
  readonly code: ErrorCode;
  readonly message: string;
  readonly details: MimoErrorDetails;
}

export function fromRecord({ code, message, details }: ErrorRecord): MimoError {
  return new MimoError(code, message, details);
}
