// The full history of one conversation, kept beside the shortened one: every message as it was, as JSON lines, searchable.
// Writes no files: `onLine` gets each line, and `text` brings them back.
import { isJsonObject, type Message, MimoError } from '@mimokit/protocol';
import { passagesOf, textOf } from './passages.ts';
import { createSearchIndex } from './search-index.ts';

export interface ArchiveOptions {
  /** The lines of an earlier archive, to go on with. */
  text?: string;
  /** Gets every new line, without its line end, before the message is shortened anywhere. */
  onLine?: (line: string) => void;
}

export interface ArchiveHit {
  /** Index of the message in the conversation, and which passage of it. */
  index: number;
  part: number;
  parts: number;
  role: Message['role'];
  text: string;
  score: number;
}

export interface Archive {
  /** Messages of the conversation as it stands. */
  readonly length: number;
  /** The conversation as it stands, each message as it came. */
  replay(): Message[];
  /** Everything ever written, as JSON lines: `{"index":3,"message":{…}}`. An index that comes again replaces all from there. */
  text(): string;
  /** Adds what `messages` has that the archive has not; returns how many were there already, from the beginning on. */
  sync(messages: readonly Message[]): number;
  /** Passages of the conversation, best first. What archive tools answered is not searched again. */
  search(query: string, limit?: number): ArchiveHit[];
  /** One passage of a message, undefined where there is none. */
  passage(index: number, part: number): ArchiveHit | undefined;
}

/** Names of the tools that read the archive: their calls and results are kept, but never found. */
export const searchToolName = 'search_archive';
export const readToolName = 'read_archive';

interface Entry {
  message: Message;
  json: string;
  passages: readonly string[];
}

/** An archive in memory. Throws `invalid-argument` naming the line when `text` is not one. */
export function createArchive(options: ArchiveOptions = {}): Archive {
  const lines: string[] = [];
  const entries: Entry[] = [];
  let index = createSearchIndex();
  /** Which passage each number of the index is. */
  let places: { entry: number; part: number }[] = [];

  function push(message: Message, json: string): void {
    const isFound = !isArchiveTalk(message, entries);
    const passages = passagesOf(textOf(message));
    entries.push({ message, json, passages });
    if (!isFound) return;
    for (const [part, passage] of passages.entries()) {
      index.add(places.length, passage);
      places.push({ entry: entries.length - 1, part });
    }
  }

  function truncate(length: number): void {
    if (length >= entries.length) return;
    const kept = entries.splice(0).slice(0, length);
    index = createSearchIndex();
    places = [];
    for (const { message, json } of kept) push(message, json);
  }

  function write(at: number, message: Message, json: string): void {
    truncate(at);
    const line = `{"index":${at},"message":${json}}`;
    lines.push(line);
    // A copy: what the caller changes later is not what was said.
    push(JSON.parse(json) as Message, json);
    options.onLine?.(line);
  }

  function hit(entry: number, part: number, score: number): ArchiveHit | undefined {
    const { message, passages } = entries[entry] ?? {};
    const text = passages?.[part];
    if (message === undefined || passages === undefined || text === undefined) return undefined;
    return { index: entry, part, parts: passages.length, role: message.role, text, score };
  }

  for (const [at, line] of (options.text ?? '').split('\n').entries()) {
    if (line === '') continue;
    const { index: from, json, message } = readLine(line, at + 1, entries.length);
    truncate(from);
    lines.push(line);
    push(message, json);
  }

  return {
    get length() {
      return entries.length;
    },
    replay: () => entries.map(({ json }) => JSON.parse(json) as Message),
    text: () => lines.map((line) => `${line}\n`).join(''),
    sync(messages) {
      let same = 0;
      let json = '';
      while (same < messages.length) {
        json = JSON.stringify(messages[same]);
        if (entries[same]?.json !== json) break;
        same++;
      }
      for (let at = same; at < messages.length; at++) {
        write(at, messages[at]!, at === same ? json : JSON.stringify(messages[at]));
      }
      return same;
    },
    search(query, limit = 5) {
      return index.search(query, limit).flatMap(({ id, score }) => {
        const { entry, part } = places[id]!;
        return hit(entry, part, score) ?? [];
      });
    },
    passage: (entry, part) => hit(entry, part, 0),
  };
}

/** A call of an archive tool, or its result. */
function isArchiveTalk(message: Message, before: readonly Entry[]): boolean {
  const isOurs = (name: string): boolean => name === searchToolName || name === readToolName;
  if (message.role === 'assistant') return message.toolCalls?.some(({ name }) => isOurs(name)) ?? false;
  if (message.role !== 'tool' || message.toolCallId === undefined) return false;
  for (let at = before.length - 1; at >= 0; at--) {
    const asked = before[at]!.message;
    if (asked.role !== 'assistant') continue;
    const call = asked.toolCalls?.find(({ id }) => id === message.toolCallId);
    if (call) return isOurs(call.name);
    return false;
  }
  return false;
}

function readLine(line: string, number: number, length: number): { index: number; json: string; message: Message } {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    throw notAnArchive(number, 'it is no JSON', cause);
  }
  if (!isJsonObject(value) || value instanceof Map) throw notAnArchive(number, 'it is no object');
  const { index, message } = value as { index?: unknown; message?: unknown };
  if (typeof index !== 'number' || !Number.isInteger(index) || index < 0 || index > length) {
    throw notAnArchive(number, `its index is ${String(index)}, expected 0 to ${length}`);
  }
  if (!isMessage(message)) throw notAnArchive(number, 'it has no message');
  // The message's own bytes: what stands between its key and the closing brace.
  return { index, json: line.slice(line.indexOf('"message":') + '"message":'.length, -1), message };
}

function isMessage(value: unknown): value is Message {
  return typeof value === 'object' && value !== null && 'role' in value && typeof value.role === 'string';
}

function notAnArchive(line: number, why: string, cause?: unknown): MimoError {
  return new MimoError('invalid-argument', `Line ${line} is none of an archive: ${why}.`, {
    hint: 'Pass what archive.text() gave, or the lines that onLine was handed, joined by line ends.',
    line,
    ...(cause === undefined ? {} : { cause }),
  });
}
