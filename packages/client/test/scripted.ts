// A ChatModel that plays answers in turn, the last one again and again, and keeps its requests.
import type { ChatModel, ChatRequest, ChatStream, FinishReason, StreamEvent, ToolCall } from '@mimokit/protocol';
import { createEventStream } from '../src/event-stream.ts';

export interface ScriptedAnswer {
  reasoning?: string;
  content?: string;
  calls?: readonly ToolCall[];
  reason?: FinishReason;
}

export function scripted(...answers: (ScriptedAnswer | Error)[]): ChatModel & { requests: ChatRequest[] } {
  const requests: ChatRequest[] = [];
  function chat(request: ChatRequest): ChatStream {
    requests.push(request);
    const answer = answers[Math.min(requests.length, answers.length) - 1]!;
    const events = createEventStream<StreamEvent, StreamEvent & { type: 'finish' }>(async function* run(_, settle) {
      if (answer instanceof Error) throw answer;
      const { reasoning, content = '', calls = [] } = answer;
      if (reasoning !== undefined) yield { type: 'reasoning-delta', text: reasoning };
      if (content !== '') yield { type: 'text-delta', text: content };
      for (const call of calls) {
        yield { type: 'tool-input-start', id: call.id, name: call.name };
        yield { type: 'tool-input-delta', id: call.id, text: call.arguments };
        yield { type: 'tool-input-end', id: call.id };
        yield { type: 'tool-call', call };
      }
      const finish = {
        type: 'finish',
        reason: answer.reason ?? (calls.length > 0 ? 'tool-calls' : 'stop'),
        usage: { promptTokens: 10, cachedTokens: 0, completionTokens: 5, reasoningTokens: 0 },
        message: {
          role: 'assistant',
          ...(reasoning === undefined ? {} : { reasoning }),
          content,
          ...(calls.length === 0 ? {} : { toolCalls: calls }),
        },
      } as const;
      settle(finish);
      yield finish;
    });
    return {
      [Symbol.asyncIterator]: () => events[Symbol.asyncIterator](),
      message: async () => (await events.result()).message,
    };
  }
  return { modelId: 'scripted', requests, chat };
}
