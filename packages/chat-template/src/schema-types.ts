// What a JSON Schema says about the type of one parameter: a set of type names, or the members of an enum or const. Local
// references and unions are followed to a bounded depth; validation beyond types is not done here.
import { isJsonObject, type JsonValue, jsonGet, NumberLiteral } from '@mimokit/protocol';

const aliases: Readonly<Record<string, string>> = {
  int: 'integer',
  float: 'number',
  bool: 'boolean',
  str: 'string',
  dict: 'object',
  list: 'array',
  arr: 'array',
};
const maxDepth = 8;

/** Type names of the schema, empty when it names none. `root` is where local `$ref`s start. */
export function typesOf(schema: unknown, root: unknown, depth: number = 0): Set<string> {
  const types = new Set<string>();
  if (!isJsonObject(schema) || depth > maxDepth) return types;
  const reference = jsonGet(schema, '$ref');
  if (typeof reference === 'string' && reference.startsWith('#')) {
    return typesOf(followReference(reference, root), root, depth + 1);
  }
  const type = jsonGet(schema, 'type');
  if (type !== undefined) {
    for (const name of Array.isArray(type) ? type : [type]) {
      types.add(Object.hasOwn(aliases, String(name)) ? aliases[String(name)]! : String(name));
    }
    return types;
  }
  for (const union of ['anyOf', 'oneOf', 'allOf']) {
    const members = jsonGet(schema, union);
    if (!Array.isArray(members)) continue;
    for (const member of members) {
      const inner = typesOf(member, root, depth + 1);
      if (inner.size === 0) for (const value of membersOf(member)) inner.add(typeName(value));
      for (const name of inner) types.add(name);
    }
  }
  return types;
}

/** The values of `enum` and `const`. */
export function membersOf(schema: unknown): JsonValue[] {
  const values = jsonGet(schema, 'enum');
  const constant = jsonGet(schema, 'const');
  return [...(Array.isArray(values) ? values : []), ...(constant === undefined ? [] : [constant])];
}

function followReference(reference: string, root: unknown): unknown {
  let target: unknown = root;
  for (const key of reference.split('/').slice(1)) target = jsonGet(target, key);
  return target;
}

function typeName(value: JsonValue): string {
  if (value === null) return 'null';
  if (typeof value === 'string' || typeof value === 'boolean') return typeof value;
  if (typeof value === 'bigint') return 'integer';
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number';
  if (value instanceof NumberLiteral) return /[.eE]/.test(value.source) ? 'number' : 'integer';
  return Array.isArray(value) ? 'array' : 'object';
}
