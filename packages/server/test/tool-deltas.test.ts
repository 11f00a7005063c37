// Calls as they are streamed, live and whole, and one that breaks off: over a model whose events the test wrote.
import type { AssistantMessage, ChatModel, StreamEvent } from '@mimokit/protocol';
import { describe, expect, test } from 'vitest';
import { createHandler, type ToolDeltas } from '../src/index.ts';

const usage = { promptTokens: 10, cachedTokens: 0, completionTokens: 5, reasoningTokens: 0 };

/** A model that answers with these events, as a ChatModel may. */
function scripted(events: readonly StreamEvent[], message: AssistantMessage, reason: 'stop' | 'tool-calls'): ChatModel {
  return {
    modelId: 'scripted',
    chat: () => ({
      async *[Symbol.asyncIterator]() {
        yield* events;
        yield { type: 'finish' as const, reason, usage, message };
      },
      message: async () => message,
    }),
  };
}

const call = { id: 'call_1', name: 'write', arguments: '{"path":"a.txt","text":"hello"}' };
const goodCall = scripted(
  [
    { type: 'text-delta', text: 'So: ' },
    { type: 'tool-input-start', id: 'call_1', name: 'write' },
    { type: 'tool-input-delta', id: 'call_1', text: '{"path":"a.txt",' },
    { type: 'tool-input-delta', id: 'call_1', text: '"text":"hello"}' },
    { type: 'tool-input-end', id: 'call_1' },
    { type: 'tool-call', call },
  ],
  { role: 'assistant', content: 'So: ', toolCalls: [call] },
  'tool-calls',
);
const brokenCall = scripted(
  [
    { type: 'tool-input-start', id: 'call_1', name: 'write' },
    { type: 'tool-input-delta', id: 'call_1', text: '{"path":"a.t' },
    { type: 'tool-input-cancelled', id: 'call_1', text: '<tool_call>\n<function=write>…' },
    { type: 'text-delta', text: ' Never mind.' },
  ],
  { role: 'assistant', content: '<tool_call>\n<function=write>… Never mind.' },
  'stop',
);

async function frames(model: ChatModel, path: string, toolDeltas: ToolDeltas): Promise<Record<string, unknown>[]> {
  const body = {
    model: 'scripted',
    stream: true,
    max_tokens: 9,
    input: 'x',
    messages: [{ role: 'user', content: 'x' }],
  };
  const response = await createHandler({ models: [model], toolDeltas })(
    new Request(`http://localhost${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    }),
  );
  const lines = (await response.text()).split('\n').filter((line) => line.startsWith('data: {'));
  return lines.map((line) => JSON.parse(line.slice(6)) as Record<string, unknown>);
}

interface Chunk {
  choices: {
    delta: {
      content?: string;
      tool_calls?: { index: number; id?: string; function: { name?: string; arguments: string } }[];
    };
  }[];
}

async function chat(model: ChatModel, toolDeltas: ToolDeltas) {
  const chunks = (await frames(model, '/v1/chat/completions', toolDeltas)) as unknown as Chunk[];
  const deltas = chunks.map(({ choices }) => choices[0].delta);
  const calls = deltas.flatMap((delta) => delta.tool_calls ?? []);
  return {
    content: deltas.map((delta) => delta.content ?? '').join(''),
    calls,
    argumentsText: calls.map((each) => each.function.arguments).join(''),
  };
}

describe('chat completions', () => {
  test('live: index, id and full name first, then the arguments as they grow', async () => {
    const { content, calls, argumentsText } = await chat(goodCall, 'live');
    expect(content).toBe('So: ');
    expect(calls).toHaveLength(3);
    expect(calls[0]).toEqual({ index: 0, id: 'call_1', type: 'function', function: { name: 'write', arguments: '' } });
    expect(calls.slice(1).every((each) => each.index === 0 && each.id === undefined)).toBe(true);
    expect(argumentsText).toBe(call.arguments);
  });

  test('whole: one delta has all of it', async () => {
    const { calls, argumentsText } = await chat(goodCall, 'whole');
    expect(calls).toHaveLength(1);
    expect(argumentsText).toBe(call.arguments);
  });

  test('a call that breaks off is content; with whole it was never announced', async () => {
    expect((await chat(brokenCall, 'live')).content).toBe('<tool_call>\n<function=write>… Never mind.');
    const { content, calls } = await chat(brokenCall, 'whole');
    expect(content).toBe('<tool_call>\n<function=write>… Never mind.');
    expect(calls).toEqual([]);
  });
});

test.each(['live', 'whole'] as const)('messages and responses lose nothing either (%s)', async (toolDeltas) => {
  for (const [path, textOf] of [
    ['/v1/messages', (event: Record<string, unknown>) => (event['delta'] as { text?: string } | undefined)?.text ?? ''],
    [
      '/v1/responses',
      (event: Record<string, unknown>) =>
        event['type'] === 'response.output_text.delta' ? String(event['delta']) : '',
    ],
  ] as const) {
    const events = await frames(brokenCall, path, toolDeltas);
    expect(events.map(textOf).join('')).toBe('<tool_call>\n<function=write>… Never mind.');
    const names = JSON.stringify(events).includes('"name":"write"');
    expect(names).toBe(toolDeltas === 'live');
  }
});
