// Tokens of prompts and texts, exactly as the model will see them.
import { type ChatTemplate, createChatTemplate } from '@mimokit/chat-template';
import type { ChatRequest, Message } from '@mimokit/protocol';
import type { Tokenizer } from '@mimokit/tokenizer';

export interface Measure {
  /** The prompt of these messages with the request's tools and settings. */
  prompt(messages: readonly Message[]): number;
  /** The prompt of these messages alone, without tools. */
  bare(messages: readonly Message[]): number;
  text(text: string): number;
  /** The longest beginning of at most `maxTokens`. */
  truncate(text: string, maxTokens: number): string;
}

export function createMeasure(
  request: Omit<ChatRequest, 'messages'>,
  tokenizer: Tokenizer,
  template: ChatTemplate = createChatTemplate(),
): Measure {
  const { tools, thinking, keepAllReasoning } = request;
  const count = (options: Parameters<ChatTemplate['render']>[0]): number => {
    const { text, literal } = template.render(options);
    return tokenizer.count(text, { literal });
  };
  return {
    prompt: (messages) => count({ messages, tools, thinking, keepAllReasoning }),
    bare: (messages) => count({ messages, thinking: false }),
    text: (text) => tokenizer.count(text, { special: false }),
    truncate: (text, maxTokens) => tokenizer.truncate(text, Math.max(0, maxTokens), { special: false }).text,
  };
}
