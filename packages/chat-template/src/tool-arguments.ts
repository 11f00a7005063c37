// Parameter text → JSON text, typed by the tool's JSON Schema. Values are never executed, never unescaped and never dropped:
// what does not fit stays a string and says so. Where the text comes from is the parser's business.
import { isJsonObject, type JsonValue, jsonGet, readJson, type Tool, writeJson } from '@mimokit/protocol';
import { pythonString, pythonStrip } from './python-format.ts';
import { readPythonLiteral } from './python-literal.ts';
import { membersOf, typesOf } from './schema-types.ts';

export interface ParameterRule {
  types: ReadonlySet<string>;
  members: readonly JsonValue[];
  /** `whole`: the value is known at its end. `text`: a string as it comes. `text-or-null`: a string unless it reads null. */
  mode: 'text' | 'text-or-null' | 'whole';
}

export interface TypedValue {
  json: string;
  /** False when the value does not fit the schema. */
  fits: boolean;
}

/** The parameters of one tool, looked up by name. */
export class ToolRules {
  readonly name: string;
  readonly #root: unknown;
  readonly #rules = new Map<string, ParameterRule>();
  readonly #undeclared: ParameterRule;

  constructor(tool: Tool) {
    this.name = tool.name;
    this.#root = tool.parameters;
    const additional = jsonGet(this.#root, 'additionalProperties');
    this.#undeclared = ruleOf(isJsonObject(additional) ? additional : undefined, this.#root);
  }

  rule(key: string): ParameterRule {
    const known = this.#rules.get(key);
    if (known) return known;
    const schema = jsonGet(jsonGet(this.#root, 'properties'), key);
    if (schema === undefined || schema === null) return this.#undeclared;
    const rule = ruleOf(schema, this.#root);
    this.#rules.set(key, rule);
    return rule;
  }
}

/** Rules of all tools by name; of two tools with one name the first counts. */
export function compileTools(tools: readonly Tool[]): ReadonlyMap<string, ToolRules> {
  const rules = new Map<string, ToolRules>();
  for (const tool of tools) if (!rules.has(tool.name)) rules.set(tool.name, new ToolRules(tool));
  return rules;
}

function ruleOf(schema: unknown, root: unknown): ParameterRule {
  const types = typesOf(schema, root);
  const members = types.size === 0 ? membersOf(schema) : [];
  let mode: ParameterRule['mode'] = 'whole';
  if (types.size === 0) mode = members.length === 0 ? 'text' : 'whole';
  else if (types.has('string') && !types.has('object') && !types.has('array'))
    mode = types.has('null') ? 'text-or-null' : 'text';
  return { types, members, mode };
}

/** Converts a finished value by the rules V1..V11. */
export function convertValue(raw: string, rule: ParameterRule): TypedValue {
  const { types, members } = rule;
  if (rule.mode === 'text') return text(raw, true);
  const stripped = pythonStrip(raw);
  if (types.size === 0) {
    const member = members.find((value) =>
      typeof value === 'string' ? value === raw : pythonString(value) === stripped,
    );
    return member === undefined ? text(raw, false) : { json: writeJson(member), fits: true };
  }
  if (stripped === 'null' || stripped === 'None') {
    if (types.has('null')) return { json: 'null', fits: true };
    return types.has('string') ? text(raw, true) : { json: 'null', fits: false };
  }
  const containers = types.has('object') || types.has('array');
  if (types.has('string')) {
    const value = containers ? readContainer(stripped) : undefined;
    return value !== undefined && fitsContainer(value, types)
      ? { json: writeJson(value), fits: true }
      : text(raw, true);
  }
  if (types.has('boolean')) {
    const lower = stripped.length <= 5 ? stripped.toLowerCase() : '';
    if (lower === 'true' || lower === 'false') return { json: lower, fits: true };
  }
  if (types.has('integer') || types.has('number')) {
    const json = numberJson(stripped, types.has('number'));
    if (json !== undefined) return { json, fits: true };
  }
  if (containers) {
    const value = readContainer(stripped);
    if (value !== undefined) return { json: writeJson(value), fits: fitsContainer(value, types) };
  }
  return text(raw, false);
}

function text(raw: string, fits: boolean): TypedValue {
  return { json: JSON.stringify(raw), fits };
}

function fitsContainer(value: JsonValue, types: ReadonlySet<string>): boolean {
  return types.has(Array.isArray(value) ? 'array' : 'object');
}

/** A JSON object or array, else a Python one, else undefined. */
function readContainer(source: string): JsonValue | undefined {
  let value: JsonValue;
  try {
    value = readJson(source);
  } catch {
    try {
      const json = readPythonLiteral(source);
      if (json === undefined) return undefined;
      value = readJson(json);
    } catch {
      return undefined;
    }
  }
  return Array.isArray(value) || isJsonObject(value) ? value : undefined;
}

/**
 * JSON text of a number written as JSON or Python would (`+1`, `.5`, `007`), undefined when it is none or not finite. Without
 * `fraction` only integral values pass, written out digit for digit: 5.0 is 5, 1e3 is 1000.
 */
function numberJson(source: string, fraction: boolean): string | undefined {
  let at = 0;
  const sign = source.startsWith('-') ? '-' : '';
  if (sign === '-' || source.startsWith('+')) at++;
  const digitsFrom = (start: number): number => {
    let end = start;
    while (end < source.length && source.charCodeAt(end) >= 48 && source.charCodeAt(end) <= 57) end++;
    return end;
  };
  const whole = source.slice(at, digitsFrom(at));
  at += whole.length;
  if (at === source.length) return whole === '' ? undefined : integral(sign, whole, 0);
  let decimals = '';
  if (source[at] === '.') {
    decimals = source.slice(at + 1, digitsFrom(at + 1));
    at += 1 + decimals.length;
  }
  if (whole === '' && decimals === '') return undefined;
  let exponent = '';
  if (source[at] === 'e' || source[at] === 'E') {
    const digits = source[at + 1] === '+' || source[at + 1] === '-' ? at + 2 : at + 1;
    const end = digitsFrom(digits);
    if (end === digits) return undefined;
    exponent = source.slice(at + 1, end);
    at = end;
  }
  if (at !== source.length || !Number.isFinite(Number(source))) return undefined;
  if (!fraction) return integral(sign, whole + decimals, Number(exponent) - decimals.length);
  const tail = decimals === '' && exponent !== '' ? '' : `.${decimals || '0'}`;
  return sign + stripZeros(whole || '0') + tail + (exponent === '' ? '' : `e${exponent}`);
}

/** sign digits × 10^power as an integer's text, undefined when it is not one. Its length is bounded by the caller. */
function integral(sign: string, digits: string, power: number): string | undefined {
  let end = digits.length;
  while (end > 0 && digits.charCodeAt(end - 1) === 48) end--;
  const significant = stripZeros(digits.slice(0, end) || '0');
  if (significant === '0') return '0';
  const zeros = power + digits.length - end;
  return zeros < 0 ? undefined : sign + significant + '0'.repeat(zeros);
}

function stripZeros(digits: string): string {
  let start = 0;
  while (start < digits.length - 1 && digits.charCodeAt(start) === 48) start++;
  return digits.slice(start);
}
