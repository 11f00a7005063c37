// The Anthropic Messages wire: request, content blocks, usage. Loose where clients differ (further fields pass), strict where a
// wrong type would be believed. Shapes only: what a block means is the server's business.
import { z } from 'zod';

type Nullable<T> = T | null | undefined;

/** A content block of a request. Which further fields it has goes by its type. */
export interface AnthropicBlock {
  type: string;
  text?: string | undefined;
  thinking?: string | undefined;
  signature?: string | undefined;
  id?: string | undefined;
  name?: string | undefined;
  input?: unknown;
  tool_use_id?: string | undefined;
  content?: Nullable<string | AnthropicBlock[]>;
  is_error?: Nullable<boolean>;
  [extra: string]: unknown;
}

export interface AnthropicMessage {
  role: 'user' | 'assistant' | 'system';
  content: string | AnthropicBlock[];
}

export interface AnthropicTool {
  name: string;
  /** Absent or `custom` for a function; anything else is a tool that Anthropic's servers run. */
  type?: Nullable<string>;
  description?: Nullable<string>;
  input_schema?: unknown;
  [extra: string]: unknown;
}

export interface AnthropicRequest {
  model: string;
  messages: AnthropicMessage[];
  max_tokens?: Nullable<number>;
  system?: Nullable<string | AnthropicBlock[]>;
  tools?: Nullable<AnthropicTool[]>;
  tool_choice?: Nullable<{ type: 'auto' | 'any' | 'tool' | 'none'; name?: Nullable<string> }>;
  thinking?: Nullable<{ type: string; budget_tokens?: Nullable<number> }>;
  temperature?: Nullable<number>;
  top_p?: Nullable<number>;
  top_k?: Nullable<number>;
  stop_sequences?: Nullable<string[]>;
  stream?: Nullable<boolean>;
  thread?: Nullable<{ type: 'create' } | { type: 'continue'; previous_message_id: string }>;
  [extra: string]: unknown;
}

export interface AnthropicUsage {
  /** Without the tokens that came from the cache. */
  input_tokens: number;
  cache_creation_input_tokens: number;
  cache_read_input_tokens: number;
  output_tokens: number;
}

const text = z.string().optional();
const count = z.number().int().nonnegative();

const blockSchema: z.ZodType<AnthropicBlock> = z.looseObject({
  type: z.string(),
  text,
  thinking: text,
  signature: text,
  id: text,
  name: text,
  input: z.unknown().optional(),
  tool_use_id: text,
  get content() {
    return z.union([z.string(), z.array(blockSchema)]).nullish();
  },
  is_error: z.boolean().nullish(),
});

const toolSchema = z.looseObject({
  name: z.string().min(1),
  type: z.string().nullish(),
  description: z.string().nullish(),
  input_schema: z.unknown().optional(),
});

/** What a server accepts. `max_tokens` may be missing here: counting tokens needs none. */
export const anthropicRequestSchema: z.ZodType<AnthropicRequest> = z.looseObject({
  model: z.string(),
  messages: z.array(
    z.looseObject({
      role: z.enum(['user', 'assistant', 'system']),
      content: z.union([z.string(), z.array(blockSchema)]),
    }),
  ),
  max_tokens: count.nullish(),
  system: z.union([z.string(), z.array(blockSchema)]).nullish(),
  tools: z.array(toolSchema).nullish(),
  tool_choice: z.looseObject({ type: z.enum(['auto', 'any', 'tool', 'none']), name: z.string().nullish() }).nullish(),
  thinking: z.looseObject({ type: z.string(), budget_tokens: count.nullish() }).nullish(),
  temperature: z.number().nullish(),
  top_p: z.number().nullish(),
  top_k: z.number().nullish(),
  stop_sequences: z.array(z.string()).nullish(),
  stream: z.boolean().nullish(),
  thread: z
    .union([
      z.looseObject({ type: z.literal('create') }),
      z.looseObject({ type: z.literal('continue'), previous_message_id: z.string() }),
    ])
    .nullish(),
});
