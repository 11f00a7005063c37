// Which past reasoning stays in the prompt, and where it is found: in its own field, or inside the content of messages that
// were stored as one text.
import type { Message } from '@mimokit/protocol';

/** Index of the last user message, -1 without one. Looks back from the end only as far as needed. */
export function lastUserIndex(messages: readonly Message[]): number {
  for (let i = messages.length - 1; i >= 0; i--) if (messages[i]?.role === 'user') return i;
  return -1;
}

/**
 * Reasoning and content of an assistant message as the template reads them. A reasoning field that is there, even empty,
 * leaves the content alone; without one, content that holds `</think>` is split: reasoning is what lies between the last
 * `<think>` and the first `</think>`, content what follows the last `</think>`.
 */
export function splitReasoning(reasoning: string | undefined, content: string): { reasoning: string; content: string } {
  if (typeof reasoning === 'string') return { reasoning, content };
  const close = content.indexOf('</think>');
  if (close < 0) return { reasoning: '', content };
  const before = content.slice(0, close);
  const open = before.lastIndexOf('<think>');
  return {
    reasoning: open < 0 ? before : before.slice(open + '<think>'.length),
    content: content.slice(content.lastIndexOf('</think>') + '</think>'.length),
  };
}
