// Equality of JSON values as Python sees it: 1 and 1.0 differ in kind, 1e-07 and 0.0000001 do not, key order counts.
import { isJsonObject, jsonEntries, type JsonValue, NumberLiteral } from '@mimokit/protocol';

export function sameJson(a: JsonValue, b: JsonValue): boolean {
  if (isNumber(a) || isNumber(b)) return isNumber(a) && isNumber(b) && numberKey(a) === numberKey(b);
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((item, i) => sameJson(item, b[i]));
  if (isJsonObject(a) && isJsonObject(b)) return sameJson([...jsonEntries(a)].flat(), [...jsonEntries(b)].flat());
  return a === b;
}

function isNumber(value: JsonValue): value is number | bigint | NumberLiteral {
  return typeof value === 'number' || typeof value === 'bigint' || value instanceof NumberLiteral;
}

function numberKey(value: number | bigint | NumberLiteral): string {
  const source = value instanceof NumberLiteral ? value.source : String(value);
  return /^-?\d+$/.test(source) ? `int ${BigInt(source)}` : `float ${Number(source)}`;
}
