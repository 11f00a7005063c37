// Answer events → the events of a Responses stream, or one response. Every event is numbered and says which item it is about.
import type { AssistantMessage, FinishReason, Usage } from '@mimokit/protocol';
import type { ResponsesOutputItem, ResponsesUsage } from '@mimokit/protocol/wire';
import type { AnswerEvent } from '../answers.ts';
import { ProgressClock } from '../progress.ts';

export interface ResponsesOutContext {
  /** The response's fields that are the same from beginning to end, its id among them. */
  base: Record<string, unknown>;
  /** Ends the ids of its items. */
  suffix: string;
  /** Told of the answer before the last event goes out. */
  onDone: (message: AssistantMessage, response: Record<string, unknown>) => void;
}

type Item = ResponsesOutputItem;

/** The whole stream, from `response.created` to `response.completed` or `response.incomplete`. */
export async function* responseFrames(
  events: AsyncIterable<AnswerEvent>,
  context: ResponsesOutContext,
): AsyncGenerator<string, void> {
  const writer = new ResponseWriter(context.suffix);
  const clock = new ProgressClock();
  const started = { ...context.base, status: 'in_progress', output: [], usage: null };
  yield writer.frame('response.created', { response: started });
  yield writer.frame('response.in_progress', { response: started });
  for await (const { event } of events) {
    if (event.type === 'prompt-progress') yield clock.comment(event);
    else if (event.type === 'reasoning-delta') yield writer.reasoning(event.text);
    else if (event.type === 'text-delta') yield writer.text(event.text);
    else if (event.type === 'tool-input-start') yield writer.call(event.id, event.name);
    else if (event.type === 'tool-input-delta') yield writer.argumentsDelta(event.text);
    else if (event.type === 'tool-input-cancelled') {
      yield writer.close('incomplete') + (event.text === '' ? '' : writer.text(event.text));
    } else if (event.type === 'tool-call') {
      const { id, name, arguments: text } = event.call;
      // A model that does not stream its calls gives each whole.
      if (writer.isOpen(id)) yield writer.close('completed', text);
      else yield writer.call(id, name) + writer.argumentsDelta(text) + writer.close('completed', text);
    } else if (event.type === 'finish') {
      yield writer.close(event.reason === 'length' ? 'incomplete' : 'completed');
      const response = finished(context.base, writer.output, event.reason, event.usage);
      context.onDone(event.message, response);
      yield writer.frame(event.reason === 'length' ? 'response.incomplete' : 'response.completed', { response });
    }
  }
}

/** The response in one piece. */
export async function wholeResponse(
  events: AsyncIterable<AnswerEvent>,
  context: ResponsesOutContext,
): Promise<Record<string, unknown>> {
  let response: Record<string, unknown> = { ...context.base, status: 'failed', output: [] };
  for await (const { event } of events) {
    if (event.type !== 'finish') continue;
    const status = event.reason === 'length' ? 'incomplete' : 'completed';
    response = finished(context.base, itemsOf(event.message, context.suffix, status), event.reason, event.usage);
    context.onDone(event.message, response);
  }
  return response;
}

function finished(
  base: Record<string, unknown>,
  output: readonly Item[],
  reason: FinishReason,
  usage: Usage,
): Record<string, unknown> {
  const isCut = reason === 'length';
  return {
    ...base,
    status: isCut ? 'incomplete' : 'completed',
    incomplete_details: isCut ? { reason: 'max_output_tokens' } : null,
    completed_at: Math.floor(Date.now() / 1000),
    output,
    usage: usageOf(usage),
  };
}

function itemsOf({ reasoning, content, toolCalls = [] }: AssistantMessage, suffix: string, status: string): Item[] {
  const items: Item[] = [];
  if (reasoning !== undefined && reasoning !== '') items.push({ ...reasoningItem(`rs_0${suffix}`, reasoning), status });
  if (content !== '') items.push({ ...messageItem(`msg_${items.length}${suffix}`, content), status });
  for (const { id, name, arguments: text } of toolCalls) {
    items.push({ ...callItem(`fc_${items.length}${suffix}`, id, name, text), status: 'completed' });
  }
  return items;
}

function reasoningItem(id: string, text: string): Item & { type: 'reasoning' } {
  return { type: 'reasoning', id, summary: [], content: [{ type: 'reasoning_text', text }], status: 'completed' };
}

function messageItem(id: string, text: string): Item & { type: 'message' } {
  const content = [{ type: 'output_text' as const, text, annotations: [] as [], logprobs: [] as [] }];
  return { type: 'message', id, role: 'assistant', status: 'completed', content };
}

function callItem(id: string, callId: string, name: string, text: string): Item & { type: 'function_call' } {
  return { type: 'function_call', id, call_id: callId, name, arguments: text, status: 'completed' };
}

/** Items as they grow: one open at a time, each announced before it is filled and closed before the next. */
class ResponseWriter {
  readonly output: Item[] = [];
  readonly #suffix: string;
  #sequence = 0;
  #open: Item | undefined;
  #text = '';

  constructor(suffix: string) {
    this.#suffix = suffix;
  }

  frame(type: string, members: Record<string, unknown>): string {
    return `event: ${type}\ndata: ${JSON.stringify({ type, sequence_number: this.#sequence++, ...members })}\n\n`;
  }

  isOpen(callId: string): boolean {
    return this.#open?.type === 'function_call' && this.#open.call_id === callId;
  }

  reasoning(delta: string): string {
    let frames = '';
    if (this.#open?.type !== 'reasoning') {
      const item = reasoningItem(this.#id('rs'), '');
      frames = this.close('completed') + this.#begin({ ...item, content: [] }) + this.#part('added', item.content[0]);
    }
    this.#text += delta;
    return frames + this.frame('response.reasoning_text.delta', { ...this.#place(), content_index: 0, delta });
  }

  text(delta: string): string {
    let frames = '';
    if (this.#open?.type !== 'message') {
      const item = messageItem(this.#id('msg'), '');
      frames = this.close('completed') + this.#begin({ ...item, content: [] }) + this.#part('added', item.content[0]);
    }
    this.#text += delta;
    return (
      frames + this.frame('response.output_text.delta', { ...this.#place(), content_index: 0, delta, logprobs: [] })
    );
  }

  call(callId: string, name: string): string {
    return this.close('completed') + this.#begin(callItem(this.#id('fc'), callId, name, ''));
  }

  argumentsDelta(delta: string): string {
    this.#text += delta;
    return this.frame('response.function_call_arguments.delta', { ...this.#place(), delta });
  }

  /** Frames that end the open item. `text`: the arguments as they are meant. */
  close(status: string, text: string = this.#text): string {
    const open = this.#open;
    if (open === undefined) return '';
    let frames: string;
    let item: Item;
    if (open.type === 'function_call') {
      item = { ...open, arguments: text, status };
      const done = { ...this.#place(), name: open.name, arguments: text };
      frames = this.frame('response.function_call_arguments.done', done);
    } else {
      item = open.type === 'reasoning' ? reasoningItem(open.id, text) : messageItem(open.id, text);
      item.status = status;
      const type = open.type === 'reasoning' ? 'response.reasoning_text.done' : 'response.output_text.done';
      const extra = open.type === 'reasoning' ? {} : { logprobs: [] };
      frames =
        this.frame(type, { ...this.#place(), content_index: 0, text, ...extra }) + this.#part('done', item.content[0]);
    }
    frames += this.frame('response.output_item.done', { output_index: this.output.length, item });
    this.output.push(item);
    this.#open = undefined;
    this.#text = '';
    return frames;
  }

  #begin(item: Item): string {
    this.#open = item;
    this.#text = '';
    return this.frame('response.output_item.added', {
      output_index: this.output.length,
      item: { ...item, status: 'in_progress' },
    });
  }

  #part(what: 'added' | 'done', part: unknown): string {
    return this.frame(`response.content_part.${what}`, { ...this.#place(), content_index: 0, part });
  }

  #place(): Record<string, unknown> {
    return { item_id: this.#open?.id, output_index: this.output.length };
  }

  #id(kind: string): string {
    return `${kind}_${this.output.length + (this.#open === undefined ? 0 : 1)}${this.#suffix}`;
  }
}

function usageOf({
  promptTokens,
  cachedTokens,
  completionTokens,
  reasoningTokens,
  acceptLengths = [],
}: Usage): ResponsesUsage {
  return {
    input_tokens: promptTokens,
    input_tokens_details: { cached_tokens: cachedTokens },
    output_tokens: completionTokens,
    output_tokens_details: {
      reasoning_tokens: reasoningTokens,
      accepted_prediction_tokens: acceptLengths.reduce((total, length) => total + length - 1, 0),
    },
    total_tokens: promptTokens + completionTokens,
  };
}
