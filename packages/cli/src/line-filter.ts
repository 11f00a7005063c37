// JSON lines in, JSON lines out: what every filter command shares. Answers keep the order of the lines; a bad line gives
// {"error":{code,message}} and the others are answered.
import { isMimoError, MimoError } from '@mimokit/protocol';

const maxLineBytes = 256 * 1024 * 1024;

export interface LineFilter {
  /** Text of one line → the value to print as one JSON line. */
  answer: (line: string) => unknown;
  /** Lines answered at the same time, so that a local engine can batch them. Default 1. */
  concurrency?: number;
  input?: AsyncIterable<Uint8Array>;
  output?: { write(text: string): boolean; once(event: 'drain', listener: () => void): unknown };
}

/** Runs a filter to the end of its input; resolves to the exit code: 1 when any line failed, else 0. */
export async function runLineFilter({ answer, concurrency = 1, input, output }: LineFilter): Promise<number> {
  const out = output ?? process.stdout;
  let failed = false;
  const pending: Promise<string>[] = [];
  const flushOne = async (): Promise<void> => {
    const line = await pending.shift()!;
    if (!out.write(line)) await new Promise<void>((resolve) => out.once('drain', resolve));
  };
  for await (const bytes of splitLines(input ?? process.stdin)) {
    if (bytes !== undefined && bytes.length === 0) continue;
    pending.push(
      answerLine(bytes, answer)
        .catch((error: unknown) => {
          failed = true;
          return { error: errorBody(error) };
        })
        .then((value) => `${JSON.stringify(value)}\n`),
    );
    if (pending.length >= concurrency) await flushOne();
  }
  while (pending.length > 0) await flushOne();
  return failed ? 1 : 0;
}

async function answerLine(bytes: Uint8Array | undefined, answer: LineFilter['answer']): Promise<unknown> {
  if (bytes === undefined) {
    throw new MimoError('invalid-argument', `The line is longer than ${maxLineBytes} bytes.`, {
      hint: 'Split the input.',
    });
  }
  let line: string;
  try {
    line = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new MimoError('invalid-json', 'The line is not valid UTF-8.', {
      hint: 'Write the input as UTF-8, one JSON object a line.',
    });
  }
  return answer(line);
}

/** Lines without their end; undefined stands for one that is too long to hold. */
async function* splitLines(input: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array | undefined> {
  let parts: Uint8Array[] = [];
  let held = 0;
  let tooLong = false;
  const take = (): Uint8Array | undefined => {
    const line = tooLong ? undefined : trimReturn(parts.length === 1 ? parts[0]! : Buffer.concat(parts));
    parts = [];
    held = 0;
    tooLong = false;
    return line;
  };
  for await (const chunk of input) {
    let from = 0;
    for (;;) {
      const end = chunk.indexOf(10, from);
      const part = chunk.subarray(from, end < 0 ? chunk.length : end);
      held += part.length;
      if (held > maxLineBytes) {
        tooLong = true;
        parts = [];
      } else if (!tooLong && part.length > 0) parts.push(part);
      if (end < 0) break;
      yield take();
      from = end + 1;
    }
  }
  if (held > 0) yield take();
}

function trimReturn(line: Uint8Array): Uint8Array {
  return line.at(-1) === 13 ? line.subarray(0, -1) : line;
}

/** What a line's error looks like on the outside. */
export function errorBody(error: unknown): { code: string; message: string; hint?: string } {
  if (isMimoError(error)) {
    return { code: error.code, message: error.message, ...(error.hint !== undefined && { hint: error.hint }) };
  }
  return { code: 'runner-failed', message: error instanceof Error ? error.message : String(error) };
}
