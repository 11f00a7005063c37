// The input lines of the filters, checked: zod at the edge, trusted values inside. Unknown keys are ignored.
import { MimoError } from '@mimokit/protocol';
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
export function checkLine<S extends z.ZodType>(schema: S, value: unknown): z.output<S> {
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
