// Calls as JSON objects, as Hermes, Qwen and MiMo-7B write them, behind the same events as MiMo-V2's tags:
//   <tool_call> ws {"name": NAME, "arguments": {…}} ws </tool_call>
// `parameters` is read as `arguments`, arguments given as a JSON string are read through, a missing </tool_call> is forgiven at
// the end of the text or before the next call. Anything else that is malformed is no call.
import {
  isJsonObject,
  type JsonValue,
  jsonEntries,
  jsonGet,
  NumberLiteral,
  readJson,
  writeJson,
} from '@mimokit/protocol';
import { type BlockResolver, type CallContext, type CallGrammar, type LiveScan, openCall } from './call-grammar.ts';
import type { OpenCall } from './message-builder.ts';
import { skipSpace } from './python-format.ts';
import { close, matchOne, no, open, perhaps } from './tag-scanner.ts';
import type { ParameterRule } from './tool-arguments.ts';

export const jsonCalls: CallGrammar = {
  name: 'json',
  opener: '{',
  scan: (context) => new JsonCallScan(context, true),
  resolver: (context, text, isFinal) => new JsonCallResolver(context, text, isFinal),
};

const maxDepth = 512;
const endTags = [close, open];

class JsonCallScan implements LiveScan {
  status: LiveScan['status'] = 'more';
  raw: string = open;
  tail = '';
  isKnown = true;
  readonly calls: OpenCall[] = [];
  #state: 'open' | 'object' | 'after' = 'open';
  #json = '';
  #depth = 0;
  #inString = false;
  #isEscaped = false;
  /** Whether the next string of the outer object is a key. */
  #isKey = false;
  #token = '';
  #key = '';
  #name: string | undefined;
  /** The arguments object as written, once it has begun. */
  #written: string | undefined;
  #isWriting = false;
  readonly #context: CallContext;
  readonly #announces: boolean;

  constructor(context: CallContext, announces: boolean) {
    this.#context = context;
    this.#announces = announces;
  }

  feed(text: string, start: number, isFinal: boolean): number {
    let at = start;
    if (this.#state === 'open') {
      at = skipSpace(text, at);
      this.raw += text.slice(start, at);
      if (at === text.length) return at;
      if (text[at] !== '{') return this.#fail(at);
      this.#state = 'object';
    }
    if (this.#state === 'object') {
      const from = at;
      at = this.#object(text, at);
      this.raw += text.slice(from, at);
      this.#json += text.slice(from, at);
      if (this.status !== 'more' || this.#depth > 0) return at;
      this.#state = 'after';
      if (!this.#settle()) return this.#fail(at);
    }
    const from = at;
    at = skipSpace(text, at);
    this.tail += text.slice(from, at);
    if (at === text.length) return at;
    const tag = matchOne(text, at, endTags, isFinal);
    if (tag === perhaps) return at;
    if (tag === no) return this.#fail(at);
    this.status = 'done';
    if (tag === open) return at;
    this.raw += this.tail + close;
    this.tail = '';
    return at + close.length;
  }

  finish(): void {
    if (this.status === 'more') this.status = this.#state === 'after' ? 'done' : 'failed';
  }

  #fail(at: number): number {
    this.status = 'failed';
    return at;
  }

  /** Reads on inside the object; stops behind it, at the end of the text, or where it cannot be JSON. */
  #object(text: string, start: number): number {
    let from = start;
    for (let at = start; at < text.length; at++) {
      const code = text.charCodeAt(at);
      if (this.#inString) {
        if (this.#isEscaped) this.#isEscaped = false;
        else if (code === 92) this.#isEscaped = true;
        else if (code === 34) {
          this.#inString = false;
          if (this.#depth === 1) this.#endString(text.slice(from, at));
        } else if (code < 32) return this.#stop(text, from, at);
      } else if (code === 34) {
        this.#inString = true;
        if (this.#depth === 1) {
          this.#token = '';
          from = at + 1;
        }
      } else if (code === 123 || code === 91) {
        if (++this.#depth > maxDepth) return this.#stop(text, from, at);
        if (this.#depth === 1) this.#isKey = true;
        else if (this.#depth === 2 && code === 123 && isArguments(this.#key)) {
          if (this.#written !== undefined) return this.#stop(text, from, at);
          this.#written = '';
          this.#isWriting = true;
          from = at;
          this.#announce();
        }
      } else if (code === 125 || code === 93) {
        this.#depth--;
        if (this.#depth === 1 && this.#isWriting) {
          this.#write(text.slice(from, at + 1));
          this.#isWriting = false;
        }
        if (this.#depth === 0) return at + 1;
      } else if (code === 44 || code === 58) {
        if (this.#depth === 1) {
          this.#isKey = code === 44;
          if (this.#isKey) this.#key = '';
        }
      } else if (!mayStandInJson(code)) return this.#stop(text, from, at);
    }
    this.#keep(text.slice(from));
    return text.length;
  }

  #stop(text: string, from: number, at: number): number {
    this.#keep(text.slice(from, at));
    return this.#fail(at);
  }

  /** The end of a piece of text, inside something that goes on. */
  #keep(text: string): void {
    if (this.#isWriting) this.#write(text);
    else if (this.#inString && this.#depth === 1) this.#token += text;
  }

  #write(text: string): void {
    this.#written += text;
    const [call] = this.calls;
    if (call) this.#context.builder.input(call.id, text);
  }

  #endString(rest: string): void {
    if (this.#isWriting) return;
    this.#token += rest;
    if (this.#isKey) this.#key = this.#token;
    else if (this.#key === 'name' && this.#name === undefined) {
      this.#name = this.#token;
      this.#announce();
    }
  }

  /** Both a name and the beginning of arguments are needed before a call is worth announcing. */
  #announce(): void {
    const tool =
      this.#name === undefined || this.#written === undefined ? undefined : this.#context.tools.get(this.#name);
    if (!this.#announces || tool === undefined || this.calls.length > 0) return;
    const call = openCall(this.#context, tool);
    this.calls.push(call);
    this.#context.builder.start(call);
    this.#context.builder.input(call.id, this.#written!);
  }

  /** The object is complete. False when it is no call. */
  #settle(): boolean {
    let value: JsonValue;
    try {
      value = readJson(this.#json, { maxDepth });
    } catch {
      return false;
    }
    const name = jsonGet(value, 'name');
    if (typeof name !== 'string') return false;
    const given = jsonGet(value, 'arguments') ?? jsonGet(value, 'parameters');
    // Arguments given twice, as an object and as a string: which of them was announced is not what counts.
    if (typeof given === 'string' && this.#written !== undefined) return false;
    const parsed = typeof given === 'string' ? tryReadJson(given) : (given ?? {});
    if (!isJsonObject(parsed)) return false;
    const tool = this.#context.tools.get(name);
    this.isKnown = tool !== undefined;
    if (tool === undefined) return true;
    // A repeated name: the announced one would not be the one that counts.
    if (this.calls.length > 0 && this.calls[0]!.tool !== tool) return false;
    let [call] = this.calls;
    if (call === undefined) {
      call = openCall(this.#context, tool);
      this.calls.push(call);
    }
    call.json = this.#written ?? (typeof given === 'string' ? given : writeJson(parsed));
    for (const [key, member] of jsonEntries(parsed)) {
      call.values.set(key, { json: '', fits: fitsRule(member, tool.rule(key)) });
    }
    return true;
  }
}

/** Blocks in a text that is already there. A block inside another's strings ends at the next `<` outside of its own strings,
 *  so that trying each costs no more than reading all. */
class JsonCallResolver implements BlockResolver {
  readonly #context: CallContext;
  readonly #text: string;
  readonly #isFinal: boolean;
  #last: { at: number; calls: OpenCall[] } | undefined;

  constructor(context: CallContext, text: string, isFinal: boolean) {
    this.#context = context;
    this.#text = text;
    this.#isFinal = isFinal;
  }

  block(at: number): { end: number; isKnown: boolean } | undefined {
    const scan = new JsonCallScan(this.#context, false);
    scan.feed(this.#text, at + open.length, this.#isFinal);
    if (this.#isFinal) scan.finish();
    if (scan.status !== 'done') return undefined;
    this.#last = { at, calls: scan.calls };
    return { end: at + scan.raw.length, isKnown: scan.isKnown };
  }

  calls(at: number): OpenCall[] {
    if (this.#last?.at !== at) this.block(at);
    return this.#last!.calls;
  }
}

function isArguments(key: string): boolean {
  return key === 'arguments' || key === 'parameters';
}

/** White space, digits, signs, a dot and the letters of true, false, null and exponents. */
function mayStandInJson(code: number): boolean {
  if (code <= 32) return code === 32 || code === 10 || code === 13 || code === 9;
  return (
    (code >= 48 && code <= 57) ||
    code === 43 ||
    code === 45 ||
    code === 46 ||
    (code >= 97 && code <= 122) ||
    code === 69
  );
}

function tryReadJson(text: string): JsonValue | undefined {
  try {
    return readJson(text, { maxDepth });
  } catch {
    return undefined;
  }
}

function fitsRule(value: JsonValue, { types, members }: ParameterRule): boolean {
  if (types.size === 0) return members.length === 0 || members.some((member) => writeJson(member) === writeJson(value));
  if (value === null) return types.has('null');
  if (typeof value === 'string' || typeof value === 'boolean') return types.has(typeof value);
  if (Array.isArray(value)) return types.has('array');
  if (isJsonObject(value)) return types.has('object');
  const source = value instanceof NumberLiteral ? value.valueOf() : Number(value);
  return types.has('number') || (types.has('integer') && Number.isInteger(source));
}
