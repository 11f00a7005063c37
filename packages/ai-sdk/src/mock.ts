// A ChatModel for tests of applications: plays answers in turn and keeps the requests. No model, no clock, no network.
import {
  type AssistantMessage,
  type ChatModel,
  type ChatRequest,
  type ChatStream,
  type FinishReason,
  MimoError,
  type StreamEvent,
  type ToolCall,
  type Usage,
} from '@mimokit/protocol';

export interface MockAnswer {
  reasoning?: string;
  content?: string;
  /** Without an id they are named call-1, call-2 and so on; arguments may be an object. */
  calls?: readonly { name: string; arguments?: string | Readonly<Record<string, unknown>>; id?: string }[];
  /** Default: `tool-calls` with calls, else `stop`. */
  reason?: FinishReason;
  usage?: Partial<Usage>;
}

/** An answer, an error to be thrown, or a function of the request that gives one of these. */
export type MockStep = MockAnswer | Error | ((request: ChatRequest) => MockAnswer | Error);

export interface MockModel extends ChatModel {
  /** Every request so far, as it came. */
  readonly requests: readonly ChatRequest[];
}

/**
 * Plays one step a request; asked once more than there are steps, it throws, so that a loop without end fails a test. Text
 * comes in pieces of some characters, as from a real model.
 */
export function mockModel(steps: readonly MockStep[], options: { modelId?: string } = {}): MockModel {
  const requests: ChatRequest[] = [];
  let calls = 0;

  async function* play(request: ChatRequest, step: MockStep | undefined): AsyncGenerator<StreamEvent, void> {
    if (step === undefined) {
      throw new MimoError(
        'invalid-argument',
        `The mock was asked ${requests.length} times and has ${steps.length} answers.`,
        {
          hint: 'Add a step, or look why the loop goes on.',
        },
      );
    }
    const answer = typeof step === 'function' ? step(request) : step;
    if (answer instanceof Error) throw answer;
    const message = messageOf(answer, () => `call-${++calls}`);
    const usage: Usage = {
      promptTokens: 10,
      cachedTokens: 0,
      completionTokens: 5,
      reasoningTokens: 0,
      ...answer.usage,
    };
    const partial: AssistantMessage = { role: 'assistant', content: '' };
    for (const event of eventsOf(message)) {
      if (request.signal?.aborted === true) {
        yield { type: 'finish', reason: 'aborted', usage, message: partial };
        return;
      }
      if (event.type === 'reasoning-delta') partial.reasoning = (partial.reasoning ?? '') + event.text;
      if (event.type === 'text-delta') partial.content += event.text;
      yield event;
      // As a real model would, so that aborts and other streams get their turn.
      await Promise.resolve();
    }
    const reason = answer.reason ?? (message.toolCalls ? 'tool-calls' : 'stop');
    yield { type: 'finish', reason, usage, message };
  }

  return {
    modelId: options.modelId ?? 'mock',
    requests,
    chat(request) {
      requests.push(request);
      return streamOf(play(request, steps[requests.length - 1]));
    },
  };
}

function messageOf(answer: MockAnswer, nextId: () => string): AssistantMessage {
  const { reasoning, content = '', calls = [] } = answer;
  const toolCalls = calls.map(({ id, name, arguments: given = {} }): ToolCall => ({
    id: id ?? nextId(),
    name,
    arguments: typeof given === 'string' ? given : JSON.stringify(given),
  }));
  return {
    role: 'assistant',
    ...(reasoning === undefined ? {} : { reasoning }),
    content,
    ...(toolCalls.length === 0 ? {} : { toolCalls }),
  };
}

function* eventsOf({ reasoning = '', content, toolCalls = [] }: AssistantMessage): Generator<StreamEvent> {
  for (const text of piecesOf(reasoning)) yield { type: 'reasoning-delta', text };
  for (const text of piecesOf(content)) yield { type: 'text-delta', text };
  for (const call of toolCalls) {
    yield { type: 'tool-input-start', id: call.id, name: call.name };
    for (const text of piecesOf(call.arguments)) yield { type: 'tool-input-delta', id: call.id, text };
    yield { type: 'tool-input-end', id: call.id };
    yield { type: 'tool-call', call };
  }
}

const pieceCharacters = 7;

function* piecesOf(text: string): Generator<string> {
  const characters = Array.from(text);
  for (let at = 0; at < characters.length; at += pieceCharacters) {
    yield characters.slice(at, at + pieceCharacters).join('');
  }
}

/** A stream that runs once: on a loop over it, or on the promise of its message. */
function streamOf(events: AsyncGenerator<StreamEvent, void>): ChatStream {
  let resolve: (message: AssistantMessage) => void = () => undefined;
  let reject: (error: unknown) => void = () => undefined;
  const message = new Promise<AssistantMessage>((...both) => {
    [resolve, reject] = both;
  });
  message.catch(() => undefined);
  let isRead = false;
  async function* read(): AsyncGenerator<StreamEvent, void> {
    isRead = true;
    try {
      for await (const event of events) {
        if (event.type === 'finish') settle(event);
        yield event;
      }
    } catch (error) {
      reject(error);
      throw error;
    } finally {
      reject(new MimoError('aborted', 'The stream was left before its end.'));
    }
  }
  function settle(finish: Extract<StreamEvent, { type: 'finish' }>): void {
    if (finish.reason !== 'aborted') resolve(finish.message);
    else reject(new MimoError('aborted', 'The request was aborted.', { partial: finish.message }));
  }
  return {
    [Symbol.asyncIterator]: read,
    async message() {
      if (!isRead) for await (const _ of read());
      return message;
    },
  };
}
