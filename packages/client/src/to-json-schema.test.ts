// Schemas of any library → what the model sees and what execute gets.
import type { StandardSchemaV1 } from '@standard-schema/spec';
import { expect, expectTypeOf, test } from 'vitest';
import { z } from 'zod';
import { toJsonSchema } from './to-json-schema.ts';
import { tool } from './tool.ts';

test('a zod schema becomes JSON Schema without what only costs tokens', () => {
  const schema = z.object({
    city: z.string().describe('Name of the city'),
    days: z.number().int().min(1).optional(),
    near: z.array(z.strictObject({ minimum: z.number().int(), additionalProperties: z.enum(['a', 'b']) })),
  });
  expect(toJsonSchema(schema, { toolName: 't' })).toEqual({
    type: 'object',
    properties: {
      city: { type: 'string', description: 'Name of the city' },
      days: { type: 'integer', minimum: 1 },
      near: {
        type: 'array',
        items: {
          type: 'object',
          properties: { minimum: { type: 'integer' }, additionalProperties: { type: 'string', enum: ['a', 'b'] } },
          required: ['minimum', 'additionalProperties'],
        },
      },
    },
    required: ['city', 'near'],
  });
});

test('a schema of another library works through its own converter, or a given one', () => {
  const bare: StandardSchemaV1<{ x: number }> = {
    '~standard': { version: 1, vendor: 'own', validate: (value) => ({ value: value as { x: number } }) },
  };
  const x = { type: 'object', properties: { x: { type: 'number' } } };
  expect(() => toJsonSchema(bare, { toolName: 'area' })).toThrow(
    expect.objectContaining({ code: 'invalid-tool', message: expect.stringContaining('area') }),
  );
  expect(toJsonSchema(bare, { toolName: 't', convert: () => x })).toEqual(x);
  const converting = {
    '~standard': { ...bare['~standard'], jsonSchema: { input: () => ({ $schema: 's', ...x }), output: () => ({}) } },
  };
  expect(toJsonSchema(converting, { toolName: 't' })).toEqual(x);
});

test('execute gets what the schema gives', async () => {
  const double = tool({
    name: 'double',
    parameters: z.object({ n: z.string().transform(Number) }),
    execute: (input) => {
      expectTypeOf(input).toEqualTypeOf<{ n: number }>();
      return input.n * 2;
    },
  });
  const prepared = await double.prepare({ n: '21' });
  const context = {
    call: { id: '', name: 'double', arguments: '{}' },
    signal: new AbortController().signal,
    messages: [],
  };
  expect('run' in prepared && prepared.run(context)).toBe(42);
  expect(await double.prepare({ n: 5, m: 1 })).toEqual({ problem: expect.stringContaining('n: ') });
});

test('a schema that validates later is awaited', async () => {
  const schema = z.object({ n: z.number().refine(async (n) => n > 1, 'too small') });
  const one = tool({ name: 'one', parameters: schema, execute: () => '' });
  expect(await one.prepare({ n: 1 })).toEqual({ problem: 'n: too small' });
});

test('a tool of plain JSON Schema is shown as written, one without parameters takes none', () => {
  const parameters = { type: 'object', properties: {}, additionalProperties: false };
  expect(tool({ name: 'plain', parameters, execute: () => '' }).definition).toEqual({ name: 'plain', parameters });
  expect(tool({ name: 'none', execute: () => '' }).definition.parameters).toEqual({ type: 'object', properties: {} });
  expect(() => tool({ name: '', execute: () => '' })).toThrow(expect.objectContaining({ code: 'invalid-tool' }));
  expect(() => tool({ name: 'x', concurrency: 0, execute: () => '' })).toThrow(
    expect.objectContaining({ code: 'invalid-tool' }),
  );
});
