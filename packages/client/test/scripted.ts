// ChatModels without a model: one plays answers in turn, the last one again and again, the other asks a function. Both keep
// their requests.
import type {
  AssistantMessage,
  ChatModel,
  ChatRequest,
  ChatStream,
  FinishReason,
  StreamEvent,
  ToolCall,
} from '@mimokit/protocol';
import { createEventStream } from '../src/event-stream.ts';

export interface ScriptedAnswer {
  reasoning?: string;
  content?: string;
  calls?: readonly ToolCall[];
  reason?: FinishReason;
}

export function scripted(...answers: (ScriptedAnswer | Error)[]): ChatModel & { requests: ChatRequest[] } {
  let played = 0;
  return scriptedBy(() => {
    const answer = answers[Math.min(++played, answers.length) - 1]!;
    if (answer instanceof Error) throw answer;
    const { reasoning, content = '', calls = [], reason } = answer;
    const message: AssistantMessage = {
      role: 'assistant',
      ...(reasoning === undefined ? {} : { reasoning }),
      content,
      ...(calls.length === 0 ? {} : { toolCalls: calls }),
    };
    return reason === undefined ? message : { message, reason };
  });
}

type Answer = AssistantMessage | { message: AssistantMessage; reason: FinishReason };

export function scriptedBy(answer: (request: ChatRequest) => Answer): ChatModel & { requests: ChatRequest[] } {
  const requests: ChatRequest[] = [];
  function chat(request: ChatRequest): ChatStream {
    requests.push(request);
    const events = createEventStream<StreamEvent, StreamEvent & { type: 'finish' }>(async function* run(_, settle) {
      const answered = answer(request);
      const message = 'message' in answered ? answered.message : answered;
      const { reasoning, content, toolCalls = [] } = message;
      if (reasoning !== undefined) yield { type: 'reasoning-delta', text: reasoning };
      if (content !== '') yield { type: 'text-delta', text: content };
      for (const call of toolCalls) {
        yield { type: 'tool-input-start', id: call.id, name: call.name };
        yield { type: 'tool-input-delta', id: call.id, text: call.arguments };
        yield { type: 'tool-input-end', id: call.id };
        yield { type: 'tool-call', call };
      }
      const finish = {
        type: 'finish',
        reason: 'reason' in answered ? answered.reason : toolCalls.length > 0 ? 'tool-calls' : 'stop',
        usage: { promptTokens: 10, cachedTokens: 0, completionTokens: 5, reasoningTokens: 0 },
        message,
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
