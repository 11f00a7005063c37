// Standard Schema → JSON Schema of the arguments, without what only costs prompt tokens.
import type { StandardJSONSchemaV1, StandardSchemaV1 } from '@standard-schema/spec';
import { MimoError } from '@mimokit/protocol';

/**
 * The JSON Schema of what the model may write. Uses the schema's own converter (zod from 4.2, ArkType; Valibot through
 * toStandardJsonSchema), or `convert`. Throws `invalid-tool` naming the tool when there is neither.
 */
export function toJsonSchema<Schema extends StandardSchemaV1>(
  schema: Schema,
  options: { toolName: string; convert?: ((schema: Schema) => unknown) | undefined },
): unknown {
  if (options.convert) return lean(options.convert(schema));
  if (offersJsonSchema(schema)) return lean(schema['~standard'].jsonSchema.input({ target: 'draft-2020-12' }));
  const { vendor } = schema['~standard'];
  throw new MimoError(
    'invalid-tool',
    `Tool ${options.toolName}: this ${vendor} schema cannot turn itself into JSON Schema.`,
    {
      hint: 'Pass toJsonSchema, for example z.toJSONSchema, or update the schema library.',
      tool: options.toolName,
      vendor,
    },
  );
}

/** True for a value of any Standard Schema library. */
export function isStandardSchema(value: unknown): value is StandardSchemaV1 {
  // ArkType's schemas are functions.
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null || !('~standard' in value))
    return false;
  const standard = value['~standard'];
  return typeof standard === 'object' && standard !== null && 'validate' in standard;
}

function offersJsonSchema(schema: StandardSchemaV1): schema is StandardSchemaV1 & StandardJSONSchemaV1 {
  return 'jsonSchema' in schema['~standard'];
}

/**
 * Drops `$schema`, `additionalProperties: false` and the bounds of safe integers: a template prints every key of a schema
 * into the prompt, and these say nothing that the model needs.
 */
export function leanSchema(schema: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return leanObject(schema);
}

function lean(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(lean);
  if (typeof schema !== 'object' || schema === null) return schema;
  return leanObject(schema);
}

function leanObject(schema: object): Record<string, unknown> {
  const kept: [string, unknown][] = [];
  for (const [key, value] of Object.entries(schema)) {
    if (key === '$schema' || key === '~standard') continue;
    if (key === 'additionalProperties' && value === false) continue;
    if (key === 'minimum' && value === Number.MIN_SAFE_INTEGER) continue;
    if (key === 'maximum' && value === Number.MAX_SAFE_INTEGER) continue;
    // Under `properties` keys are names, and a const, enum or default is data: no keyword there.
    if (key === 'properties' || key === '$defs') kept.push([key, mapValues(value)]);
    else if (key === 'const' || key === 'enum' || key === 'default' || key === 'examples') kept.push([key, value]);
    else kept.push([key, lean(value)]);
  }
  return Object.fromEntries(kept);
}

function mapValues(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, lean(one)]));
}
