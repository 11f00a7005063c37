// Standard Schema → JSON Schema of the arguments, without what only costs prompt tokens.
import type { StandardJSONSchemaV1, StandardSchemaV1 } from '@standard-schema/spec';
import { leanSchema, MimoError } from '@mimokit/protocol';

/**
 * The JSON Schema of what the model may write. Uses the schema's own converter (zod from 4.2, ArkType; Valibot through
 * toStandardJsonSchema), or `convert`. Throws `invalid-tool` naming the tool when there is neither.
 */
export function toJsonSchema<Schema extends StandardSchemaV1>(
  schema: Schema,
  options: { toolName: string; convert?: ((schema: Schema) => unknown) | undefined },
): unknown {
  if (options.convert) return leanSchema(options.convert(schema));
  if (offersJsonSchema(schema)) return leanSchema(schema['~standard'].jsonSchema.input({ target: 'draft-2020-12' }));
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
