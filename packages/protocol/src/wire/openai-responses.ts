// The OpenAI Responses wire: request, input items, output items, usage. Shapes only; loose where clients differ (further fields
// and further item types pass), strict where a wrong type would be believed.
import { z } from 'zod';

type Nullable<T> = T | null | undefined;

/** A part of a message, of reasoning or of a tool's output. */
export interface ResponsesPart {
  type: string;
  text?: string | undefined;
  [extra: string]: unknown;
}

/** An input item; which fields it has goes by its type. A message may leave the type out. */
export interface ResponsesItem {
  type?: string | undefined;
  id?: Nullable<string>;
  role?: string | undefined;
  content?: Nullable<string | ResponsesPart[]>;
  summary?: Nullable<ResponsesPart[]>;
  call_id?: string | undefined;
  name?: string | undefined;
  arguments?: string | undefined;
  output?: Nullable<string | ResponsesPart[]>;
  [extra: string]: unknown;
}

export interface ResponsesTool {
  type: string;
  name?: string | undefined;
  description?: Nullable<string>;
  parameters?: unknown;
  [extra: string]: unknown;
}

export interface ResponsesRequest {
  model: string;
  input: string | ResponsesItem[];
  instructions?: Nullable<string>;
  previous_response_id?: Nullable<string>;
  tools?: Nullable<ResponsesTool[]>;
  tool_choice?: Nullable<string | { type: string; name?: string | undefined; [extra: string]: unknown }>;
  reasoning?: Nullable<{ effort?: Nullable<string>; [extra: string]: unknown }>;
  max_output_tokens?: Nullable<number>;
  temperature?: Nullable<number>;
  top_p?: Nullable<number>;
  stream?: Nullable<boolean>;
  store?: Nullable<boolean>;
  [extra: string]: unknown;
}

export interface ResponsesUsage {
  input_tokens: number;
  input_tokens_details: { cached_tokens: number };
  output_tokens: number;
  output_tokens_details: { reasoning_tokens: number; accepted_prediction_tokens: number };
  total_tokens: number;
}

/** An item of an answer. */
export type ResponsesOutputItem =
  | { type: 'reasoning'; id: string; summary: []; content: { type: 'reasoning_text'; text: string }[]; status: string }
  | {
      type: 'message';
      id: string;
      role: 'assistant';
      status: string;
      content: { type: 'output_text'; text: string; annotations: []; logprobs: [] }[];
    }
  | { type: 'function_call'; id: string; call_id: string; name: string; arguments: string; status: string };

const partSchema = z.looseObject({ type: z.string(), text: z.string().optional() });
const partsSchema = z.union([z.string(), z.array(partSchema)]).nullish();

const itemSchema = z.looseObject({
  type: z.string().optional(),
  id: z.string().nullish(),
  role: z.string().optional(),
  content: partsSchema,
  summary: z.array(partSchema).nullish(),
  call_id: z.string().optional(),
  name: z.string().optional(),
  arguments: z.string().optional(),
  output: partsSchema,
});

/** What a server accepts. */
export const responsesRequestSchema: z.ZodType<ResponsesRequest> = z.looseObject({
  model: z.string(),
  input: z.union([z.string(), z.array(itemSchema)]),
  instructions: z.string().nullish(),
  previous_response_id: z.string().nullish(),
  tools: z
    .array(
      z.looseObject({
        type: z.string(),
        name: z.string().optional(),
        description: z.string().nullish(),
        parameters: z.unknown().optional(),
      }),
    )
    .nullish(),
  tool_choice: z.union([z.string(), z.looseObject({ type: z.string(), name: z.string().optional() })]).nullish(),
  reasoning: z.looseObject({ effort: z.string().nullish() }).nullish(),
  max_output_tokens: z.number().int().nonnegative().nullish(),
  temperature: z.number().nullish(),
  top_p: z.number().nullish(),
  stream: z.boolean().nullish(),
  store: z.boolean().nullish(),
});
