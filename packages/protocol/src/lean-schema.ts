// JSON Schema without what only costs prompt tokens: a template prints every key of a tool's schema into the prompt.

/** Drops `$schema`, `additionalProperties: false` and the bounds of safe integers, which say nothing that a model needs. */
export function leanSchema(schema: Readonly<Record<string, unknown>>): Record<string, unknown>;
export function leanSchema(schema: unknown): unknown;
export function leanSchema(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map((one) => leanSchema(one));
  if (typeof schema !== 'object' || schema === null) return schema;
  const kept: [string, unknown][] = [];
  for (const [key, value] of Object.entries(schema)) {
    if (key === '$schema' || key === '~standard') continue;
    if (key === 'additionalProperties' && value === false) continue;
    if (key === 'minimum' && value === Number.MIN_SAFE_INTEGER) continue;
    if (key === 'maximum' && value === Number.MAX_SAFE_INTEGER) continue;
    // Under `properties` keys are names, and a const, enum or default is data: no keyword there.
    if (key === 'properties' || key === '$defs') kept.push([key, mapValues(value)]);
    else if (key === 'const' || key === 'enum' || key === 'default' || key === 'examples') kept.push([key, value]);
    else kept.push([key, leanSchema(value)]);
  }
  return Object.fromEntries(kept);
}

function mapValues(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, leanSchema(one)]));
}
