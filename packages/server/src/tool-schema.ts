// Tools as a request brings them: names, counts, and schemas that are JSON Schema at least in shape. Bounded in depth.
import { isJsonObject, jsonEntries, jsonGet, type JsonValue, MimoError, type Tool } from '@mimokit/protocol';
import type { Limits } from './limits.ts';

const longestName = 128;
/** JSON Schema's types, and the names that Python tools use for them. */
const types = new Set(
  'string number integer boolean object array null int float bool str dict list arr any'.split(' '),
);
const schemaKeys = new Set('items additionalProperties not if then else contains propertyNames'.split(' '));
const schemaLists = new Set(['anyOf', 'oneOf', 'allOf', 'prefixItems']);
const schemaMaps = new Set(['properties', 'patternProperties', '$defs', 'definitions', 'dependentSchemas']);

/** Throws `invalid-tool` naming the tool and the field. `at` says how the API calls a tool's parameters. */
export function checkTools(tools: readonly Tool[], limits: Limits, at: (index: number) => string): void {
  const names = new Set<string>();
  for (const [index, { name, parameters }] of tools.entries()) {
    checkName(name, `tools[${index}]`);
    if (names.has(name)) throw bad(`tools[${index}]`, `has the name of another tool: ${name}`);
    names.add(name);
    if (parameters === undefined || parameters === null) continue;
    const field = at(index);
    if (!isJsonObject(parameters)) throw bad(field, 'must be a JSON Schema object');
    const type = jsonGet(parameters, 'type');
    if (type !== undefined && type !== 'object') throw bad(`${field}.type`, "must be 'object'");
    checkSchema(parameters, field, limits.schemaDepth);
  }
}

/** A name stands between `<function=` and `>` in the prompt. */
function checkName(name: string, at: string): void {
  if (name.length < 1 || name.length > longestName) throw bad(at, `needs a name of 1 to ${longestName} characters`);
  for (let i = 0; i < name.length; i++) {
    const c = name.charCodeAt(i);
    if (c <= 32 || c === 60 || c === 62 || c === 127) throw bad(at, 'has a name with a space, < or >');
  }
}

function checkSchema(schema: JsonValue, at: string, depth: number): void {
  if (typeof schema === 'boolean') return;
  if (!isJsonObject(schema)) throw bad(at, 'must be a JSON Schema: an object or a boolean');
  if (depth <= 0) throw bad(at, 'is nested too deeply');
  for (const [key, value] of jsonEntries(schema)) {
    const field = `${at}.${key.slice(0, 64)}`;
    if (key === 'type') checkType(value, field);
    else if (key === 'required') checkRequired(value, field);
    else if (key === 'enum') {
      if (!Array.isArray(value)) throw bad(field, 'must be an array');
    } else if (key === '$ref') {
      if (typeof value !== 'string') throw bad(field, 'must be a string');
    } else if (schemaMaps.has(key)) {
      if (!isJsonObject(value)) throw bad(field, 'must be an object of schemas');
      for (const [name, member] of jsonEntries(value)) checkSchema(member, `${field}.${name.slice(0, 64)}`, depth - 1);
    } else if (schemaLists.has(key) || (key === 'items' && Array.isArray(value))) {
      if (!Array.isArray(value)) throw bad(field, 'must be an array of schemas');
      for (const [index, member] of value.entries()) checkSchema(member, `${field}[${index}]`, depth - 1);
    } else if (schemaKeys.has(key)) checkSchema(value, field, depth - 1);
  }
}

function checkType(value: JsonValue, field: string): void {
  const names: readonly JsonValue[] = Array.isArray(value) ? value : [value];
  for (const name of names) {
    if (typeof name !== 'string' || !types.has(name.toLowerCase())) {
      throw bad(field, `is no JSON Schema type: ${typeof name === 'string' ? name.slice(0, 40) : typeof name}`);
    }
  }
}

function checkRequired(value: JsonValue, field: string): void {
  // Draft 3 wrote a boolean on the property itself; some tools still do.
  if (typeof value === 'boolean') return;
  if (!Array.isArray(value) || value.some((name) => typeof name !== 'string')) {
    throw bad(field, 'must be an array of property names');
  }
}

function bad(field: string, why: string): MimoError {
  return new MimoError('invalid-tool', `${field} ${why}.`, { field });
}
