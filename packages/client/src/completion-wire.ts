// The text completions wire: the part of chunks and answers that a prompt-out, text-in client reads.
import type { ChatCompletionUsage } from '@mimokit/protocol/wire';
import { z } from 'zod';

type Nullable<T> = T | null | undefined;

/** A stream's chunk, and equally an answer in one piece. */
export interface CompletionChunk {
  choices?: Nullable<{ index?: Nullable<number>; text?: Nullable<string>; finish_reason?: Nullable<string> }[]>;
  usage?: Nullable<ChatCompletionUsage>;
}

const count = z.number().int().nonnegative().nullish();

export const completionChunkSchema: z.ZodType<CompletionChunk> = z.looseObject({
  choices: z
    .array(z.looseObject({ index: count, text: z.string().nullish(), finish_reason: z.string().nullish() }))
    .nullish(),
  usage: z
    .looseObject({
      prompt_tokens: count,
      completion_tokens: count,
      total_tokens: count,
      prompt_tokens_details: z.looseObject({ cached_tokens: count }).nullish(),
      completion_tokens_details: z.looseObject({ reasoning_tokens: count }).nullish(),
      reasoning_tokens: count,
    })
    .nullish(),
});
