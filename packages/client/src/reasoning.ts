// Two spellings of reasoning in, one out, bytes kept. The only file that knows both names.
import type { ChatCompletionDelta, OpenAIMessage } from '@mimokit/protocol/wire';
import type { ReasoningField } from './presets.ts';

/**
 * The reasoning of a delta or message: undefined when the server said nothing, '' when it said "none". A server that sends
 * both names repeats itself, so the first non-empty one counts.
 */
export function reasoningOf(delta: ChatCompletionDelta): string | undefined {
  if (delta.reasoning_content) return delta.reasoning_content;
  return delta.reasoning ?? delta.reasoning_content ?? undefined;
}

/** The message as a server of that spelling wants it back. The text is not touched. */
export function spellReasoning(
  message: OpenAIMessage,
  field: ReasoningField,
): OpenAIMessage | (Omit<OpenAIMessage, 'reasoning_content'> & { reasoning: string }) {
  if (field === 'reasoning_content' || message.reasoning_content === undefined) return message;
  const { reasoning_content: reasoning, ...rest } = message;
  return { ...rest, reasoning };
}
