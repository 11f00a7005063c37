// Stream events → the SDK's stream parts, and a finished answer → its content parts.
import type {
  LanguageModelV4Content,
  LanguageModelV4FinishReason,
  LanguageModelV4StreamPart,
  LanguageModelV4Usage,
} from '@ai-sdk/provider';
import {
  type AssistantMessage,
  type FinishReason,
  isMimoError,
  type StreamEvent,
  type ToolCall,
  type Usage,
} from '@mimokit/protocol';
import { callMetadata, metadataKey } from './metadata.ts';

const unknownUsage: LanguageModelV4Usage = {
  inputTokens: { total: undefined, noCache: undefined, cacheRead: undefined, cacheWrite: undefined },
  outputTokens: { total: undefined, text: undefined, reasoning: undefined },
};

export interface PartWriter {
  /** The parts of one event; those of `finish` are the last. */
  write(event: StreamEvent): LanguageModelV4StreamPart[];
  /** The last parts of a stream that broke. */
  fail(error: unknown): LanguageModelV4StreamPart[];
}

/** Opens and closes the SDK's text and reasoning blocks around deltas. */
export function createPartWriter(): PartWriter {
  let open: { kind: 'text' | 'reasoning'; id: string } | undefined;
  let blocks = 0;
  let reasoning = '';

  function close(): LanguageModelV4StreamPart[] {
    if (open === undefined) return [];
    const { kind, id } = open;
    open = undefined;
    return [{ type: `${kind}-end`, id }];
  }
  function delta(kind: 'text' | 'reasoning', text: string): LanguageModelV4StreamPart[] {
    if (open?.kind === kind) return [{ type: `${kind}-delta`, id: open.id, delta: text }];
    const before = close();
    const id = `${kind}-${blocks++}`;
    open = { kind, id };
    return [...before, { type: `${kind}-start`, id }, { type: `${kind}-delta`, id, delta: text }];
  }

  return {
    fail: (error) => [
      ...close(),
      { type: 'error', error },
      {
        type: 'finish',
        finishReason: { unified: 'error', raw: isMimoError(error) ? error.code : undefined },
        usage: unknownUsage,
      },
    ],
    write(event) {
      switch (event.type) {
        case 'prompt-progress':
          // The SDK has no word for it, and nothing here asks for it.
          return [];
        case 'reasoning-delta':
          reasoning += event.text;
          return delta('reasoning', event.text);
        case 'text-delta':
          return delta('text', event.text);
        case 'tool-input-start':
          return [...close(), { type: 'tool-input-start', id: event.id, toolName: event.name }];
        case 'tool-input-delta':
          return [{ type: 'tool-input-delta', id: event.id, delta: event.text }];
        case 'tool-input-end':
          return [{ type: 'tool-input-end', id: event.id }];
        case 'tool-input-cancelled':
          // The SDK has no word for this: the input ends without a call, its text is text.
          return [{ type: 'tool-input-end', id: event.id }, ...delta('text', event.text)];
        case 'tool-call':
          return [...close(), callPart(event.call, reasoning === '' ? undefined : reasoning)];
        case 'finish':
          return [
            ...close(),
            {
              type: 'finish',
              finishReason: finishOf(event.reason),
              usage: usageOf(event.usage),
              ...metadataOf(event.usage),
            },
          ];
      }
    },
  };
}

/** The parts of a whole answer, in the order in which they were said. */
export function contentOf(message: AssistantMessage): LanguageModelV4Content[] {
  const { reasoning, content, toolCalls = [] } = message;
  return [
    ...(reasoning ? [{ type: 'reasoning' as const, text: reasoning }] : []),
    ...(content === '' ? [] : [{ type: 'text' as const, text: content }]),
    ...toolCalls.map((call) => callPart(call, reasoning)),
  ];
}

function callPart(
  call: ToolCall,
  reasoning: string | undefined,
): Extract<LanguageModelV4StreamPart, { type: 'tool-call' }> {
  const kept = callMetadata(call)[metadataKey]!;
  return {
    type: 'tool-call',
    toolCallId: call.id,
    toolName: call.name,
    input: call.arguments,
    // An empty part of reasoning would not survive the SDK.
    providerMetadata: { [metadataKey]: reasoning === '' ? { ...kept, reasoning } : kept },
  };
}

export function finishOf(reason: FinishReason): LanguageModelV4FinishReason {
  return { unified: reason === 'aborted' ? 'interrupted' : reason, raw: reason };
}

export function usageOf(usage: Usage): LanguageModelV4Usage {
  const { promptTokens, cachedTokens, completionTokens, reasoningTokens } = usage;
  return {
    inputTokens: {
      total: promptTokens,
      noCache: Math.max(0, promptTokens - cachedTokens),
      cacheRead: cachedTokens,
      cacheWrite: undefined,
    },
    outputTokens: {
      total: completionTokens,
      text: Math.max(0, completionTokens - reasoningTokens),
      reasoning: reasoningTokens,
    },
    raw: { promptTokens, cachedTokens, completionTokens, reasoningTokens },
  };
}

/** Accept lengths of self-speculation, where the engine counts them. */
export function metadataOf({ acceptLengths }: Usage): {
  providerMetadata?: Record<string, { acceptLengths: number[] }>;
} {
  return acceptLengths === undefined
    ? {}
    : { providerMetadata: { [metadataKey]: { acceptLengths: [...acceptLengths] } } };
}
