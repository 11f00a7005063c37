// A request's body → JSON, bounded in bytes, time and depth. What the fields mean is the APIs' business.
import { MimoError, type JsonValue, readJson } from '@mimokit/protocol';
import type { z } from 'zod';
import type { Limits } from './limits.ts';

/** One body, read twice: for schemas as JavaScript sees it, for prompts without loss of key order and number text. */
export interface JsonBody {
  plain: unknown;
  lossless: JsonValue;
}

/** Throws `invalid-argument`, `invalid-json`, `request-too-large` or `request-timeout`. */
export async function readJsonBody(request: Request, limits: Limits): Promise<JsonBody> {
  // A page in a browser may send text/plain across origins without asking first; JSON it may not.
  const type = request.headers.get('content-type') ?? '';
  if (type.split(';', 1)[0].trim().toLowerCase() !== 'application/json') {
    throw new MimoError('invalid-argument', `The content type is ${type === '' ? 'missing' : type.slice(0, 64)}.`, {
      hint: 'Send JSON with `content-type: application/json`.',
      field: 'content-type',
    });
  }
  const text = await readText(request, limits);
  // A body of megabytes takes tens of milliseconds to read: streams of others get their turn in between.
  const isLong = text.length > longBody;
  const lossless = readJson(text, { maxDepth: limits.depth });
  if (isLong) await turn();
  const plain: unknown = JSON.parse(text);
  if (isLong) await turn();
  return { plain, lossless };
}

/** Characters of a body that is read in several turns of the event loop. */
const longBody = 256 * 1024;

function turn(): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, 0);
  });
}

async function readText(request: Request, { bodyBytes, bodyMs }: Limits): Promise<string> {
  const announced = Number(request.headers.get('content-length') ?? 0);
  if (announced > bodyBytes) throw tooLarge(bodyBytes);
  if (request.body === null) return '';
  const reader: ReadableStreamDefaultReader<Uint8Array> = request.body.getReader();
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    reader.cancel().catch(() => {});
  }, bodyMs);
  let text = '';
  let bytes = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (isLate) throw tooSlow(bodyMs);
      if (done) return text + decoder.decode();
      bytes += value.byteLength;
      if (bytes > bodyBytes) throw tooLarge(bodyBytes);
      text += decoder.decode(value, { stream: true });
    }
  } catch (error) {
    reader.cancel().catch(() => {});
    if (error instanceof MimoError) throw error;
    if (error instanceof TypeError && 'code' in error && error.code === 'ERR_ENCODING_INVALID_ENCODED_DATA') {
      throw new MimoError('invalid-json', 'The body is not UTF-8.', { cause: error });
    }
    throw new MimoError('aborted', 'The body ended early.', { cause: error });
  } finally {
    clearTimeout(timer);
  }
}

function tooLarge(bodyBytes: number): MimoError {
  return new MimoError('request-too-large', `The body has more than ${bodyBytes} bytes.`, {
    hint: 'Send less, or raise limits.bodyBytes.',
  });
}

function tooSlow(bodyMs: number): MimoError {
  return new MimoError('request-timeout', `The body took longer than ${bodyMs} ms.`, {
    hint: 'Send it faster, or raise limits.bodyMs.',
  });
}

/** The body as a schema wants it. Throws `invalid-argument` naming the first field that is wrong. */
export function checkedBody<T>(schema: z.ZodType<T>, plain: unknown): T {
  const parsed = schema.safeParse(plain);
  if (parsed.success) return parsed.data;
  const issue = deepest(parsed.error.issues[0]);
  const field = issue.path.reduce<string>(
    (path, key) => (typeof key === 'number' ? `${path}[${key}]` : path === '' ? String(key) : `${path}.${String(key)}`),
    '',
  );
  const where = field === '' ? 'The body' : field;
  throw new MimoError('invalid-argument', `${where}: ${issue.message}.`, field === '' ? {} : { field });
}

interface Issue {
  path: readonly PropertyKey[];
  message: string;
}

/** Of a union's issues the one that got furthest: it says most. */
function deepest(issue: z.core.$ZodIssue, base: readonly PropertyKey[] = []): Issue {
  const path = [...base, ...issue.path];
  if (issue.code !== 'invalid_union') return { path, message: issue.message };
  const branches = issue.errors.filter((branch) => branch.length > 0).map((branch) => deepest(branch[0], path));
  const here = branches.map((branch) => branch.message).join('; or ');
  let best: Issue = { path, message: here === '' ? issue.message : here };
  for (const branch of branches) if (branch.path.length > best.path.length) best = branch;
  return best;
}

/** Throws `invalid-argument` when an array of the body has more than `most` members; before any schema looks at it. */
export function checkCount(plain: unknown, field: string, most: number): void {
  if (typeof plain !== 'object' || plain === null) return;
  const value = (plain as Record<string, unknown>)[field];
  if (Array.isArray(value) && value.length > most) {
    throw new MimoError('invalid-argument', `${field} has ${value.length} members; at most ${most} are taken.`, {
      field,
    });
  }
}
