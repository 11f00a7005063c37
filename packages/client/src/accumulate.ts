// Wire deltas → stream events and the whole message. Tolerates what servers do: no index, a fresh id per delta, a late or
// repeated name, several fragments of one call in a chunk, either name of reasoning, null content, usage in a chunk of its
// own. Reads no bytes and knows no clock.
import {
  type AssistantMessage,
  type FinishReason,
  MimoError,
  type StreamEvent,
  type ToolCall,
  type Usage,
} from '@mimokit/protocol';
import type {
  ChatCompletion,
  ChatCompletionChunk,
  ChatCompletionDelta,
  ChatCompletionToolCallDelta,
  ChatCompletionUsage,
} from '@mimokit/protocol/wire';
import type { FinishEvent } from './answer-stream.ts';
import { createJsonExtent, type JsonExtent } from './json-extent.ts';
import { reasoningOf } from './reasoning.ts';

export interface Accumulator {
  push(chunk: ChatCompletionChunk): StreamEvent[];
  pushWhole(answer: ChatCompletion): StreamEvent[];
  /** The last events, `finish` included. `done`: the server said that it was over ([DONE], or one whole answer). */
  end(done: boolean): StreamEvent[];
  /** The end of an aborted answer: reasoning and text so far; a call that was not finished is not a call. */
  abort(): FinishEvent;
  partial(): AssistantMessage;
}

interface OpenCall {
  readonly index: number | undefined;
  id: string;
  name: string;
  arguments: string;
  readonly extent: JsonExtent;
  /** What did not go out as an event yet. Kept apart: slicing a growing string copies it every time. */
  unsent: string;
  started: boolean;
}

const noUsage: Usage = { promptTokens: 0, cachedTokens: 0, completionTokens: 0, reasoningTokens: 0 };

/** Throws `stream-malformed` for an answer over `maxChars` or one that breaks off without a sign of its end. */
export function createAccumulator(options: { maxChars: number }): Accumulator {
  const calls: OpenCall[] = [];
  let reasoning: string | undefined;
  let content = '';
  let finishReason: string | undefined;
  let usage = noUsage;
  let chars = 0;

  function take(delta: ChatCompletionDelta, events: StreamEvent[]): void {
    const thought = reasoningOf(delta);
    if (thought !== undefined) {
      grow(thought.length);
      reasoning = (reasoning ?? '') + thought;
      if (thought !== '') events.push({ type: 'reasoning-delta', text: thought });
    }
    if (delta.content) {
      grow(delta.content.length);
      content += delta.content;
      events.push({ type: 'text-delta', text: delta.content });
    }
    for (const entry of delta.tool_calls ?? []) takeCall(entry, events);
  }

  function takeCall(entry: ChatCompletionToolCallDelta, events: StreamEvent[]): void {
    const call = callOf(entry);
    call.id ||= entry.id ?? '';
    call.name ||= entry.function?.name ?? '';
    const given = entry.function?.arguments ?? '';
    const text = typeof given === 'string' ? given : JSON.stringify(given);
    grow(text.length + (call.arguments === '' ? call.name.length + call.id.length : 0));
    call.arguments += text;
    call.unsent += text;
    call.extent.push(text);
    advance(call, events, false);
  }

  /** Which call a fragment belongs to. An index decides, then an id, then the order. */
  function callOf(entry: ChatCompletionToolCallDelta): OpenCall {
    const index = entry.index ?? undefined;
    const id = entry.id ?? '';
    const name = entry.function?.name ?? '';
    const known =
      (index === undefined ? undefined : calls.findLast((call) => call.index === index)) ??
      (id === ''
        ? undefined
        : calls.findLast((call) => call.id === id && (index === undefined || call.index === undefined)));
    if (known) {
      // One index for every parallel call: a new id and name after a closed object begin another call.
      const begins = id !== '' && known.id !== '' && id !== known.id && name !== '' && known.extent.closed;
      return begins ? open(index) : known;
    }
    const last = calls.at(-1);
    if (index !== undefined || last === undefined || last.index !== undefined) return open(index);
    if (id !== '' && last.id === '' && !last.extent.closed) return last;
    if (name === '') return last;
    const repeats = name === last.name && id === '' && !last.extent.closed;
    return repeats || last.name === '' ? last : open(index);
  }

  function open(index: number | undefined): OpenCall {
    const call = { index, id: '', name: '', arguments: '', extent: createJsonExtent(), unsent: '', started: false };
    calls.push(call);
    return call;
  }

  /** Sends what can be sent. A call starts when its name is known; an id that never came is made up at the end. */
  function advance(call: OpenCall, events: StreamEvent[], last: boolean): void {
    if (call.name === '' || (call.id === '' && !last && call.arguments === '')) return;
    if (call.id === '') call.id = newCallId();
    if (!call.started) {
      events.push({ type: 'tool-input-start', id: call.id, name: call.name });
      call.started = true;
    }
    if (call.unsent === '') return;
    events.push({ type: 'tool-input-delta', id: call.id, text: call.unsent });
    call.unsent = '';
  }

  function grow(length: number): void {
    chars += length;
    if (chars <= options.maxChars) return;
    throw new MimoError('stream-malformed', `The answer exceeds ${options.maxChars} characters.`, {
      hint: 'Send a smaller maxTokens, or raise limits.answerChars.',
      maxChars: options.maxChars,
      partial: message([]),
    });
  }

  function message(toolCalls: readonly ToolCall[]): AssistantMessage {
    const out: AssistantMessage = { role: 'assistant', content };
    // An empty string that the server sent beside calls goes back as it came.
    if (reasoning !== undefined && (reasoning !== '' || toolCalls.length > 0)) out.reasoning = reasoning;
    if (toolCalls.length > 0) out.toolCalls = toolCalls;
    return out;
  }

  return {
    push(chunk) {
      const events: StreamEvent[] = [];
      if (chunk.usage) usage = usageOf(chunk.usage);
      if (chunk.prompt_progress) {
        const { processed, total, cache } = chunk.prompt_progress;
        events.push({ type: 'prompt-progress', processedTokens: processed, promptTokens: total, cachedTokens: cache });
      }
      for (const choice of chunk.choices ?? []) {
        if ((choice.index ?? 0) !== 0) continue;
        if (choice.delta) take(choice.delta, events);
        if (choice.finish_reason) finishReason = choice.finish_reason;
      }
      return events;
    },
    pushWhole(answer) {
      const events: StreamEvent[] = [];
      if (answer.usage) usage = usageOf(answer.usage);
      const choice = answer.choices.find((one) => (one.index ?? 0) === 0);
      if (!choice)
        throw new MimoError('stream-malformed', 'The answer has no choice.', {
          hint: 'Ask the server with curl what it answers.',
        });
      // A message lists whole calls: two of one id or without an index stay two.
      const { tool_calls: listed, ...rest } = choice.message;
      take(rest, events);
      for (const [index, entry] of (listed ?? []).entries()) takeCall({ ...entry, index }, events);
      finishReason = choice.finish_reason ?? undefined;
      return events;
    },
    end(done) {
      if (!done && finishReason === undefined) {
        throw new MimoError('stream-malformed', 'The stream broke off: neither a finish_reason nor [DONE] came.', {
          hint: 'The connection or the server was cut; send the request again.',
          partial: message([]),
        });
      }
      const events: StreamEvent[] = [];
      const toolCalls: ToolCall[] = [];
      for (const call of calls) {
        advance(call, events, true);
        if (call.name === '') {
          throw new MimoError('stream-malformed', `A tool call ended without a name (id ${call.id || 'missing'}).`, {
            hint: "Check the server's tool parser.",
            arguments: call.arguments,
            partial: message([]),
          });
        }
        const whole: ToolCall = {
          id: call.id,
          name: call.name,
          arguments: call.arguments.trim() === '' ? '{}' : call.arguments,
        };
        if (whole.arguments !== call.arguments) events.push({ type: 'tool-input-delta', id: call.id, text: '{}' });
        toolCalls.push(whole);
        events.push({ type: 'tool-input-end', id: call.id }, { type: 'tool-call', call: whole });
      }
      events.push({
        type: 'finish',
        reason: reasonOf(finishReason, toolCalls.length > 0),
        usage,
        message: message(toolCalls),
      });
      return events;
    },
    abort: () => ({ type: 'finish', reason: 'aborted', usage, message: message([]) }),
    partial: () => message([]),
  };
}

export function reasonOf(wire: string | undefined, hasCalls: boolean): FinishReason {
  switch (wire) {
    case undefined:
    case 'stop':
    case 'tool_calls':
    case 'function_call':
      // Some servers say `stop` beside calls, some `tool_calls` after their parser dropped the call.
      if (hasCalls) return 'tool-calls';
      return wire === undefined || wire === 'stop' ? 'stop' : 'other';
    case 'length':
      return 'length';
    case 'content_filter':
      return 'content-filter';
    case 'abort':
      return 'aborted';
    case 'error':
      return 'error';
    default:
      return 'other';
  }
}

export function usageOf(wire: ChatCompletionUsage): Usage {
  return {
    promptTokens: wire.prompt_tokens ?? 0,
    cachedTokens: wire.prompt_tokens_details?.cached_tokens ?? 0,
    completionTokens: wire.completion_tokens ?? 0,
    reasoningTokens: wire.completion_tokens_details?.reasoning_tokens ?? wire.reasoning_tokens ?? 0,
  };
}

function newCallId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return `call_${Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')}`;
}
