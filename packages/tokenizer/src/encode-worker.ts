// The worker thread of an encode pool: reads the vocabulary, puts the pieces of a text together, encodes or counts it.
import { readFile } from 'node:fs/promises';
import { parentPort, workerData } from 'node:worker_threads';
import { isMimoError, MimoError } from '@mimokit/protocol';
import type { Span } from './added-tokens.ts';
import { createTokenizer } from './create-tokenizer.ts';
import type { ErrorRecord, FromWorker, PoolVocabulary, TaskOrder, ToWorker } from './encode-messages.ts';
import type { Tokenizer } from './tokenizer.ts';

let pieces: string[] = [];

try {
  const tokenizer = await open(workerData as PoolVocabulary);
  parentPort!.on('message', (message: ToWorker) => receive(tokenizer, message));
  send({ type: 'ready' });
} catch (error) {
  send({ type: 'refused', error: toRecord(error) });
}

async function open(vocabulary: PoolVocabulary): Promise<Tokenizer> {
  if (vocabulary === 'mimo') {
    const { loadMimoTokenizer } = await import('./mimo.ts');
    return loadMimoTokenizer();
  }
  const { file } = vocabulary;
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    throw new MimoError('checkpoint-missing-file', `${String(file)} cannot be read: ${(cause as Error).message}`, {
      hint: 'Pass the path of a tokenizer.json.',
      file: String(file),
    });
  }
  return createTokenizer(text);
}

function receive(tokenizer: Tokenizer, message: ToWorker): void {
  if (message.type === 'forget') {
    pieces = [];
    return;
  }
  const { buffer, bytes, order } = message;
  pieces.push(Buffer.from(buffer.buffer, 0, bytes).toString('utf16le'));
  send({ type: 'taken', buffer }, [buffer.buffer]);
  if (order === undefined) return;
  const text = pieces.join('');
  pieces = [];
  try {
    const value = work(tokenizer, text, order);
    send({ type: 'done', value }, typeof value === 'number' ? [] : [value.buffer as ArrayBuffer]);
  } catch (error) {
    send({ type: 'failed', error: toRecord(error) });
  }
}

function work(tokenizer: Tokenizer, text: string, { kind, special, literal }: TaskOrder): Int32Array | number {
  const spans: Span[] = [];
  for (let i = 0; i < literal.length; i += 2) spans.push({ start: literal[i], end: literal[i + 1] });
  return tokenizer[kind](text, { special, literal: spans });
}

function send(message: FromWorker, transfer: ArrayBuffer[] = []): void {
  parentPort!.postMessage(message, transfer);
}

function toRecord(error: unknown): ErrorRecord {
  if (isMimoError(error)) {
    const { code, message, hint, details } = error;
    return { code, message, details: hint === undefined ? details : { ...details, hint } };
  }
  // Not one of ours: a text beyond the longest string, for instance.
  return { code: 'worker-failed', message: `Encoding failed: ${String(error)}`, details: {} };
}
