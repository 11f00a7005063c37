// The input lines of the filters, checked: zod at the edge, trusted values inside. Unknown keys are ignored.
import { isJsonObject, jsonEntries, type JsonValue, MimoError, NumberLiteral, readJson } from '@mimokit/protocol';
import { z } from 'zod';

const ids = z.array(z.int());

export const tokenizeLine = z.object({ text: z.string(), special: z.boolean().default(true) });
export const detokenizeLine = z.object({ ids });
export const logitsLine = z.object({ ids: ids.min(1) });
export const parseLine = z.object({
  text: z.string(),
  tools: z.array(z.unknown()).nullish(),
  output: z.enum(['auto', 'content']).default('auto'),
});
export const renderLine = z.object({
  messages: z.array(z.unknown()),
  tools: z.array(z.unknown()).nullish(),
  kwargs: z
    .object({
      add_generation_prompt: z.boolean().optional(),
      enable_thinking: z.boolean().optional(),
      keep_all_reasoning: z.boolean().optional(),
    })
    .nullish(),
  profile: z.enum(['mimo-v2-flash', 'mimo-v2.5']).default('mimo-v2-flash'),
});
export const generateLine = z
  .object({
    ids: ids.optional(),
    prompt: z.string().optional(),
    messages: z.array(z.unknown()).optional(),
    tools: z.array(z.unknown()).nullish(),
    thinking: z.boolean().optional(),
    max_tokens: z.int().min(1).optional(),
    temperature: z.number().min(0).optional(),
    top_p: z.number().min(0).max(1).optional(),
    seed: z.int().min(0).max(0xffffffff).optional(),
    mtp: z.boolean().optional(),
    ignore_eos: z.boolean().optional(),
  })
  .refine((line) => [line.ids, line.prompt, line.messages].filter((field) => field !== undefined).length === 1, {
    error: 'exactly one of ids, prompt and messages is needed',
  });

/** Checks a parsed line; the error names the field. */
function checkLine<S extends z.ZodType>(schema: S, value: unknown): z.output<S> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0]!;
  const field = issue.path.join('.') || 'line';
  throw new MimoError('invalid-argument', `${field}: ${issue.message}`, {
    hint: 'See docs/wire.md for the fields of a line.',
    field,
  });
}

/** A line as JSON, where plain numbers are enough. */
export function readLine<S extends z.ZodType>(schema: S, line: string): z.output<S> {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    throw new MimoError('invalid-json', `The line is no JSON: ${(error as Error).message}`, {
      hint: 'One JSON object a line.',
    });
  }
  return checkLine(schema, value);
}

/** A line whose messages and tools are read without loss: 1.0, 1e-07 and 20-digit numbers stay as they were written. */
export function readLosslessLine<S extends z.ZodType>(schema: S, line: string): z.output<S> {
  const value = readJson(line);
  if (!isJsonObject(value)) return checkLine(schema, value);
  const fields = Array.from(jsonEntries(value), ([key, field]) => [key, isLossless(key) ? field : asPlain(field)]);
  return checkLine(schema, Object.fromEntries(fields));
}

function isLossless(key: string): boolean {
  return key === 'messages' || key === 'tools';
}

/** As JSON.parse would give it: a temperature of 1.0 is the number 1. Depth is bounded by readJson. */
function asPlain(value: JsonValue): unknown {
  if (value instanceof NumberLiteral) return value.valueOf();
  if (Array.isArray(value)) return value.map(asPlain);
  if (!isJsonObject(value)) return value;
  return Object.fromEntries(Array.from(jsonEntries(value), ([key, member]) => [key, asPlain(member)]));
}
