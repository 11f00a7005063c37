// How Python prints values: str(), repr() and json.dumps(ensure_ascii=False). The template is rendered by Python wherever the
// model was trained and served, so these forms are part of the prompt. Text only; what is printed where is the renderer's.
import {
  isJsonObject,
  type JsonObject,
  type JsonValue,
  jsonEntries,
  MimoError,
  NumberLiteral,
} from '@mimokit/protocol';

const maxDepth = 512;

/** str(value). */
export function pythonString(value: JsonValue | undefined): string {
  if (typeof value === 'string') return value;
  return pythonRepr(value, maxDepth);
}

/** repr(value). */
export function pythonRepr(value: JsonValue | undefined, depth: number = maxDepth): string {
  if (typeof value === 'string') return quoted(value);
  return print(value, depth, pythonStyle);
}

/** json.dumps(value, ensure_ascii=False). */
export function pythonJson(value: JsonValue | undefined): string {
  return print(value, maxDepth, jsonStyle);
}

interface Style {
  none: string;
  true: string;
  false: string;
  notFinite: readonly [nan: string, infinity: string];
  string(text: string): string;
}

const pythonStyle: Style = { none: 'None', true: 'True', false: 'False', notFinite: ['nan', 'inf'], string: quoted };
const jsonStyle: Style = {
  none: 'null',
  true: 'true',
  false: 'false',
  notFinite: ['NaN', 'Infinity'],
  string: jsonQuoted,
};

function print(value: JsonValue | undefined, depth: number, style: Style): string {
  if (value === null || value === undefined) return style.none;
  if (typeof value === 'string') return style.string(value);
  if (typeof value === 'boolean') return value ? style.true : style.false;
  if (typeof value === 'bigint') return String(value);
  if (typeof value === 'number' || value instanceof NumberLiteral) return number(value, style);
  if (depth <= 0) {
    throw new MimoError('invalid-argument', `A value is nested deeper than ${maxDepth} levels.`);
  }
  if (Array.isArray(value)) return `[${value.map((item: JsonValue) => print(item, depth - 1, style)).join(', ')}]`;
  if (!isJsonObject(value)) return style.none;
  const members: string[] = [];
  for (const [key, member] of jsonEntries(value as JsonObject)) {
    if (member !== undefined) members.push(`${style.string(key)}: ${print(member, depth - 1, style)}`);
  }
  return `{${members.join(', ')}}`;
}

/** JSON's own rule decides what Python reads: digits alone are an int and print as they are, anything else is a float. */
function number(value: number | NumberLiteral, style: Style): string {
  const source = typeof value === 'number' ? String(Object.is(value, -0) ? 0 : value) : value.source;
  let digits = true;
  for (let i = source.startsWith('-') ? 1 : 0; digits && i < source.length; i++) {
    const c = source.charCodeAt(i);
    digits = c >= 48 && c <= 57;
  }
  if (digits) return source === '-0' ? '0' : source;
  return pythonFloat(Number(source), style.notFinite);
}

/** repr(float): the shortest digits that read back, fixed for exponents -4..15, `1e-07` and `1e+22` beyond. */
export function pythonFloat(value: number, notFinite: readonly [string, string] = pythonStyle.notFinite): string {
  if (Number.isNaN(value)) return notFinite[0];
  if (!Number.isFinite(value)) return (value < 0 ? '-' : '') + notFinite[1];
  if (value === 0) return Object.is(value, -0) ? '-0.0' : '0.0';
  const [mantissa, power] = Math.abs(value).toExponential().split('e') as [string, string];
  const exponent = Number(power);
  const sign = value < 0 ? '-' : '';
  if (exponent < -4 || exponent >= 16) {
    return `${sign}${mantissa}e${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`;
  }
  const digits = mantissa.replace('.', '');
  if (exponent < 0) return `${sign}0.${'0'.repeat(-exponent - 1)}${digits}`;
  if (digits.length <= exponent + 1) return `${sign}${digits.padEnd(exponent + 1, '0')}.0`;
  return `${sign}${digits.slice(0, exponent + 1)}.${digits.slice(exponent + 1)}`;
}

const loneSurrogate = /\p{Cs}/u;

/** JSON.stringify, but a lone surrogate stays as it is, as in Python. */
function jsonQuoted(text: string): string {
  if (!loneSurrogate.test(text)) return JSON.stringify(text);
  let out = '"';
  for (const character of text) {
    out += loneSurrogate.test(character) ? character : JSON.stringify(character).slice(1, -1);
  }
  return `${out}"`;
}

function quoted(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  let out = quote;
  for (const character of text) {
    const code = character.codePointAt(0)!;
    if (character === quote || character === '\\') out += `\\${character}`;
    else if (code === 10) out += '\\n';
    else if (code === 13) out += '\\r';
    else if (code === 9) out += '\\t';
    else if (isPrintable(character, code)) out += character;
    else if (code < 0x100) out += `\\x${hex(code, 2)}`;
    else if (code < 0x10000) out += `\\u${hex(code, 4)}`;
    else out += `\\U${hex(code, 8)}`;
  }
  return out + quote;
}

function hex(code: number, length: number): string {
  return code.toString(16).padStart(length, '0');
}

const unprintable = /^[\p{C}\p{Z}]$/u;

function isPrintable(character: string, code: number): boolean {
  return code < 127 ? code >= 32 : !unprintable.test(character);
}

/** What str.isspace() and the regular expression \s take for white space. */
export function isPythonSpace(code: number): boolean {
  if (code < 128) return code === 32 || (code >= 9 && code <= 13) || (code >= 28 && code <= 31);
  if (code < 0x1680) return code === 0x85 || code === 0xa0;
  if (code < 0x2000) return code === 0x1680;
  return code <= 0x200a || code === 0x2028 || code === 0x2029 || code === 0x202f || code === 0x205f || code === 0x3000;
}

/** Index of the first character at or after `from` that is no white space; the length when there is none. */
export function skipSpace(text: string, from: number): number {
  let at = from;
  while (at < text.length && isPythonSpace(text.charCodeAt(at))) at++;
  return at;
}

/** str.strip(). */
export function pythonStrip(text: string): string {
  const start = skipSpace(text, 0);
  let end = text.length;
  while (end > start && isPythonSpace(text.charCodeAt(end - 1))) end--;
  return start === 0 && end === text.length ? text : text.slice(start, end);
}
