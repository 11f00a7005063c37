// Answer events → Anthropic's stream events, or one message. Blocks follow each other: one is closed before the next opens.
import type { AssistantMessage, FinishReason, Usage } from '@mimokit/protocol';
import type { AnthropicUsage } from '@mimokit/protocol/wire';
import type { AnswerEvent } from '../answers.ts';
import { ProgressClock } from '../progress.ts';

export interface MessagesOutContext {
  id: string;
  model: string;
  onMessage: (message: AssistantMessage) => void;
}

/** Says that thinking came from here. Anthropic signs it; nothing here depends on it. */
const signature = 'mimokit';

/** The whole stream. A call is streamed as it grows. */
export async function* messageFrames(
  events: AsyncIterable<AnswerEvent>,
  context: MessagesOutContext,
): AsyncGenerator<string, void> {
  const blocks = new Blocks();
  const clock = new ProgressClock();
  yield frame('message_start', { message: { ...emptyMessage(context), usage: usageOf(undefined) } });
  for await (const { event } of events) {
    if (event.type === 'prompt-progress') yield clock.comment(event);
    else if (event.type === 'reasoning-delta') {
      yield (
        blocks.in('thinking', { type: 'thinking', thinking: '', signature: '' }) +
        blocks.delta(`{"type":"thinking_delta","thinking":${JSON.stringify(event.text)}}`)
      );
    } else if (event.type === 'text-delta' || (event.type === 'tool-input-cancelled' && event.text !== '')) {
      yield (
        blocks.in('text', { type: 'text', text: '', citations: null }) +
        blocks.delta(`{"type":"text_delta","text":${JSON.stringify(event.text)}}`)
      );
    } else if (event.type === 'tool-input-start') {
      yield blocks.in(event.id, { type: 'tool_use', id: event.id, name: event.name, input: {} });
    } else if (event.type === 'tool-input-delta') {
      yield blocks.delta(`{"type":"input_json_delta","partial_json":${JSON.stringify(event.text)}}`);
    } else if (event.type === 'tool-call' && blocks.isNew(event.call.id)) {
      const { id, name, arguments: text } = event.call;
      yield (
        blocks.in(id, { type: 'tool_use', id, name, input: {} }) +
        blocks.delta(`{"type":"input_json_delta","partial_json":${JSON.stringify(text)}}`)
      );
    } else if (event.type === 'finish') {
      context.onMessage(event.message);
      const delta = { stop_reason: stopReason(event.reason, event.stopText), stop_sequence: event.stopText ?? null };
      yield blocks.close() + frame('message_delta', { delta, usage: usageOf(event.usage) });
    }
  }
  yield frame('message_stop', {});
}

/** The message in one piece. */
export async function wholeMessage(
  events: AsyncIterable<AnswerEvent>,
  context: MessagesOutContext,
): Promise<Record<string, unknown>> {
  let result: Record<string, unknown> = emptyMessage(context);
  for await (const { event } of events) {
    if (event.type !== 'finish') continue;
    context.onMessage(event.message);
    result = {
      ...result,
      content: contentOf(event.message),
      stop_reason: stopReason(event.reason, event.stopText),
      stop_sequence: event.stopText ?? null,
      usage: usageOf(event.usage),
    };
  }
  return result;
}

function contentOf({ reasoning, content, toolCalls = [] }: AssistantMessage): Record<string, unknown>[] {
  const blocks: Record<string, unknown>[] = [];
  if (reasoning !== undefined && reasoning !== '') blocks.push({ type: 'thinking', thinking: reasoning, signature });
  if (content !== '') blocks.push({ type: 'text', text: content, citations: null });
  for (const { id, name, arguments: text } of toolCalls) {
    blocks.push({ type: 'tool_use', id, name, input: JSON.parse(text) as unknown });
  }
  return blocks;
}

function emptyMessage({ id, model }: MessagesOutContext): Record<string, unknown> {
  return {
    id,
    type: 'message',
    role: 'assistant',
    model,
    content: [],
    stop_reason: null,
    stop_sequence: null,
    container: null,
  };
}

/** Which block is open, and the frames that open, fill and close it. */
class Blocks {
  readonly #seen = new Set<string>();
  #index = -1;
  #open: string | undefined;

  isNew(id: string): boolean {
    return !this.#seen.has(id);
  }

  /** Frames that make `name` the open block. */
  in(name: string, block: Record<string, unknown>): string {
    if (this.#open === name) return '';
    const before = this.close();
    this.#seen.add(name);
    this.#open = name;
    this.#index++;
    return before + frame('content_block_start', { index: this.#index, content_block: block });
  }

  delta(delta: string): string {
    return `event: content_block_delta\ndata: {"type":"content_block_delta","index":${this.#index},"delta":${delta}}\n\n`;
  }

  close(): string {
    if (this.#open === undefined) return '';
    const signed = this.#open === 'thinking' ? this.delta(`{"type":"signature_delta","signature":"${signature}"}`) : '';
    this.#open = undefined;
    return signed + frame('content_block_stop', { index: this.#index });
  }
}

function frame(type: string, members: Record<string, unknown>): string {
  return `event: ${type}\ndata: ${JSON.stringify({ type, ...members })}\n\n`;
}

function stopReason(reason: FinishReason, stopText: string | undefined): string {
  if (stopText !== undefined) return 'stop_sequence';
  if (reason === 'tool-calls') return 'tool_use';
  if (reason === 'length') return 'max_tokens';
  return reason === 'content-filter' ? 'refusal' : 'end_turn';
}

/** Anthropic counts the prompt in two parts: what was read from the cache, and the rest. */
function usageOf(usage: Usage | undefined): AnthropicUsage {
  const { promptTokens = 0, cachedTokens = 0, completionTokens = 0 } = usage ?? {};
  return {
    input_tokens: promptTokens - cachedTokens,
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: cachedTokens,
    output_tokens: completionTokens,
  };
}
