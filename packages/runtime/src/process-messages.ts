// What crosses between a process runner and its child, by structured clone: typed arrays as their bytes. Errors as plain records.
import {
  type ErrorCode,
  errorCodes,
  isMimoError,
  type KvCapacity,
  MimoError,
  type ModelInfo,
  type RunnerOptions,
  type StepBatch,
} from '@mimokit/protocol';

/** Options that are data; signal and progress are the parent's. */
export type OpenOptions = Omit<RunnerOptions, 'signal' | 'onProgress'>;

export type ToChild =
  | { type: 'open'; module: string; name: string; directory: string; options: OpenOptions }
  | { type: 'step'; call: number; batch: StepBatch }
  | { type: 'inspect'; call: number; ids: Int32Array; taps: readonly string[] }
  | { type: 'dispose' };

export type FromChild =
  | { type: 'opened'; info: ModelInfo; capacity: KvCapacity; maxDraft: number }
  | { type: 'refused'; error: ErrorRecord }
  | { type: 'progress'; loadedBytes: number; totalBytes: number }
  | { type: 'answer'; call: number; value: unknown }
  | { type: 'rejected'; call: number; error: ErrorRecord }
  | { type: 'disposed' };

export interface ErrorRecord {
  /** Undefined: no error of ours. */
  code: ErrorCode | undefined;
  message: string;
  hint: string | undefined;
  details: Record<string, unknown>;
  /** Messages of the causes, the nearest first. */
  causes: string[];
}

const mostCauses = 8;

export function toRecord(error: unknown): ErrorRecord {
  const causes: string[] = [];
  for (let cause = causeOf(error); cause !== undefined && causes.length < mostCauses; cause = causeOf(cause)) {
    causes.push(messageOf(cause));
  }
  if (!isMimoError(error)) return { code: undefined, message: messageOf(error), hint: undefined, details: {}, causes };
  // Values that cannot be cloned stay behind: details are for reading.
  const details = Object.entries(error.details).filter(([, value]) => isPlain(value));
  return { code: error.code, message: error.message, hint: error.hint, details: Object.fromEntries(details), causes };
}

/** The same error on this side; what was no error of ours is `runner-failed`. */
export function fromRecord({ code, message, hint, details, causes }: ErrorRecord): MimoError {
  const cause = causes.reduceRight<Error | undefined>((inner, text) => new Error(text, { cause: inner }), undefined);
  const known = code !== undefined && errorCodes.includes(code);
  return new MimoError(known ? code : 'runner-failed', message, {
    ...details,
    ...(hint !== undefined && { hint }),
    ...(cause !== undefined && { cause }),
  });
}

function causeOf(error: unknown): unknown {
  return error instanceof Error ? error.cause : undefined;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function isPlain(value: unknown): boolean {
  if (Array.isArray(value)) return value.every(isPlain);
  return value === null || ['string', 'number', 'boolean', 'bigint', 'undefined'].includes(typeof value);
}
