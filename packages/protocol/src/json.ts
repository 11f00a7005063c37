// JSON without loss: numbers keep their text, objects keep their key order. JSON.parse loses both (1.0 becomes 1, a 20-digit
// integer is rounded, the key "10" moves before "b"), and both reach the model's prompt. Linear, depth-bounded, no recursion
// deeper than the bound. Schemas and meaning live elsewhere.
import { MimoError } from './errors.ts';

/** A number whose text a JavaScript number would not print again: 1.0, 1e-07, 12345678901234567890. */
export class NumberLiteral {
  readonly source: string;

  constructor(source: string) {
    this.source = source;
  }

  /** The nearest double, as JSON.parse would give it. */
  valueOf(): number {
    return Number(this.source);
  }

  /** For JSON.stringify: the nearest double, since it cannot write the text. Use writeJson to keep it. */
  toJSON(): number {
    return Number(this.source);
  }
}

/** A plain object, or a Map where a plain object would reorder the keys (integer-like) or misread one (`__proto__`). */
export type JsonObject = { readonly [key: string]: JsonValue } | ReadonlyMap<string, JsonValue>;
export type JsonValue = null | boolean | string | number | bigint | NumberLiteral | readonly JsonValue[] | JsonObject;

export interface ReadJsonOptions {
  /** Deepest nesting of arrays and objects that is read, default 512. */
  maxDepth?: number;
}

const defaultDepth = 512;

/**
 * Reads one JSON text. Numbers whose text JavaScript would not reproduce become NumberLiteral, objects with integer-like or
 * `__proto__` keys become Map; a repeated key keeps its first place and its last value. Throws `invalid-json` with the offset.
 */
export function readJson(text: string, options: ReadJsonOptions = {}): JsonValue {
  const reader = new Reader(text, options.maxDepth ?? defaultDepth);
  const value = reader.value(0);
  reader.space();
  if (reader.at < text.length) reader.fail('more text');
  return value;
}

/** Writes compact JSON; NumberLiteral and bigint keep every digit, Maps keep their order. undefined members are left out. */
export function writeJson(value: unknown, maxDepth: number = defaultDepth): string {
  if (value === null || value === undefined) return 'null';
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'boolean' || typeof value === 'bigint') return String(value);
  if (typeof value === 'number') return Number.isFinite(value) ? String(value) : 'null';
  if (value instanceof NumberLiteral) return value.source;
  if (maxDepth <= 0) throw new MimoError('invalid-json', `The value is nested deeper than ${defaultDepth} levels.`);
  if (Array.isArray(value)) {
    let text = '[';
    for (let i = 0; i < value.length; i++) text += (i === 0 ? '' : ',') + writeJson(value[i], maxDepth - 1);
    return `${text}]`;
  }
  if (!isJsonObject(value)) throw new MimoError('invalid-json', `A ${typeof value} has no JSON form.`);
  let text = '{';
  for (const [key, member] of jsonEntries(value)) {
    if (member === undefined) continue;
    text += `${text === '{' ? '' : ','}${JSON.stringify(key)}:${writeJson(member, maxDepth - 1)}`;
  }
  return `${text}}`;
}

/** True for a plain object or a Map: what JSON calls an object. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof NumberLiteral);
}

/** The members in the order they were written. */
export function jsonEntries(object: JsonObject): Iterable<readonly [string, JsonValue]> {
  return object instanceof Map ? object.entries() : Object.entries(object as Record<string, JsonValue>);
}

/** The member `key`, or undefined; never something inherited. */
export function jsonGet(object: unknown, key: string): JsonValue | undefined {
  if (!isJsonObject(object)) return undefined;
  if (object instanceof Map) return object.get(key) as JsonValue | undefined;
  return Object.hasOwn(object, key) ? (object as Record<string, JsonValue>)[key] : undefined;
}

class Reader {
  readonly text: string;
  readonly #maxDepth: number;
  at = 0;

  constructor(text: string, maxDepth: number) {
    this.text = text;
    this.#maxDepth = maxDepth;
  }

  fail(what: string): never {
    throw new MimoError('invalid-json', `JSON: ${what} at offset ${this.at}.`, { offset: this.at });
  }

  space(): void {
    for (; this.at < this.text.length; this.at++) {
      const c = this.text.charCodeAt(this.at);
      if (c !== 32 && c !== 10 && c !== 13 && c !== 9) return;
    }
  }

  value(depth: number): JsonValue {
    this.space();
    const c = this.text.charCodeAt(this.at);
    if (c === 34) return this.#string();
    if (c === 123 || c === 91) {
      if (depth >= this.#maxDepth) this.fail(`nested deeper than ${this.#maxDepth} levels`);
      this.at++;
      return c === 123 ? this.#object(depth + 1) : this.#array(depth + 1);
    }
    if (c === 45 || (c >= 48 && c <= 57)) return this.#number();
    if (this.text.startsWith('true', this.at)) return this.#word(4, true);
    if (this.text.startsWith('false', this.at)) return this.#word(5, false);
    if (this.text.startsWith('null', this.at)) return this.#word(4, null);
    return this.fail('a value was expected');
  }

  #word<T>(length: number, value: T): T {
    this.at += length;
    return value;
  }

  #array(depth: number): JsonValue[] {
    const items: JsonValue[] = [];
    this.space();
    if (this.text.charCodeAt(this.at) === 93) return this.#word(1, items);
    for (;;) {
      items.push(this.value(depth));
      this.space();
      const c = this.text.charCodeAt(this.at);
      if (c !== 44 && c !== 93) this.fail("',' or ']' was expected");
      this.at++;
      if (c === 93) return items;
    }
  }

  #object(depth: number): JsonObject {
    const plain: Record<string, JsonValue> = {};
    let ordered: Map<string, JsonValue> | undefined;
    this.space();
    if (this.text.charCodeAt(this.at) === 125) return this.#word(1, plain);
    for (;;) {
      this.space();
      if (this.text.charCodeAt(this.at) !== 34) this.fail('a key was expected');
      const key = this.#string();
      this.space();
      if (this.text.charCodeAt(this.at) !== 58) this.fail("':' was expected");
      this.at++;
      const value = this.value(depth);
      if (ordered === undefined && isUnordered(key)) ordered = new Map(Object.entries(plain));
      if (ordered === undefined) plain[key] = value;
      else ordered.set(key, value);
      this.space();
      const c = this.text.charCodeAt(this.at);
      if (c !== 44 && c !== 125) this.fail("',' or '}' was expected");
      this.at++;
      if (c === 125) return ordered ?? plain;
    }
  }

  #number(): number | NumberLiteral {
    const start = this.at;
    if (this.text.charCodeAt(this.at) === 45) this.at++;
    if (this.text.charCodeAt(this.at) === 48) this.at++;
    else this.#digits();
    if (this.text.charCodeAt(this.at) === 46) {
      this.at++;
      this.#digits();
    }
    const e = this.text.charCodeAt(this.at);
    if (e === 69 || e === 101) {
      this.at++;
      const sign = this.text.charCodeAt(this.at);
      if (sign === 43 || sign === 45) this.at++;
      this.#digits();
    }
    const source = this.text.slice(start, this.at);
    // A long text is never a number's own print form (at most 25 characters), and String(Number(x)) is not free.
    if (source.length > 25) return new NumberLiteral(source);
    const value = Number(source);
    return String(value) === source ? value : new NumberLiteral(source);
  }

  #digits(): void {
    const start = this.at;
    for (; this.at < this.text.length; this.at++) {
      const c = this.text.charCodeAt(this.at);
      if (c < 48 || c > 57) break;
    }
    if (this.at === start) this.fail('a digit was expected');
  }

  #string(): string {
    const start = this.at++;
    let isPlain = true;
    for (; this.at < this.text.length; this.at++) {
      const c = this.text.charCodeAt(this.at);
      if (c === 34) {
        const end = this.at++;
        return isPlain ? this.text.slice(start + 1, end) : this.#unescape(start, end + 1);
      }
      if (c < 32) this.fail('a control character');
      if (c !== 92) continue;
      isPlain = false;
      this.at++;
    }
    return this.fail('a string without end');
  }

  /** Strings lose nothing in JSON.parse. */
  #unescape(start: number, end: number): string {
    try {
      return JSON.parse(this.text.slice(start, end)) as string;
    } catch {
      this.at = start;
      return this.fail('a wrong escape');
    }
  }
}

/** Keys that a plain object would move (array indices come first) or swallow. */
function isUnordered(key: string): boolean {
  if (key === '__proto__') return true;
  const c = key.charCodeAt(0);
  if (!(c >= 48 && c <= 57) || key.length > 10) return false;
  return String(Number(key) >>> 0) === key;
}
