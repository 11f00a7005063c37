// The adapter under the real `ai` package with the scripted model: bytes that must survive, failures, aborts, warnings.
import type { Message } from '@mimokit/protocol';
import { MimoError } from '@mimokit/protocol';
import {
  convertToModelMessages,
  createProviderRegistry,
  generateText,
  isStepCount,
  Output,
  readUIMessageStream,
  streamText,
  tool,
  toUIMessageStream,
  type UIMessage,
} from 'ai';
import { beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { createProvider, languageModel, languageModelV3 } from '../src/index.ts';
import { mockModel } from '../src/mock.ts';

beforeAll(() => {
  // Warnings are asserted where they matter.
  globalThis.AI_SDK_LOG_WARNINGS = false;
});

const reasoning = ' The user asks for “Zürich”.\n\t看一下\u2028天气 <think>?</think> 🌦️\n\n';
const exact = '{"city": "Zürich", "limit": 1.0, "id": 12345678901234567890, "10": 1, "a": 2}';
const weather = tool({ inputSchema: z.looseObject({ city: z.string() }), execute: () => ({ sky: 'clear' }) });
const twoSteps = (first: object = {}) =>
  mockModel([
    { reasoning, content: 'Let me look. ', calls: [{ id: 'c1', name: 'weather', arguments: exact }], ...first },
    { content: 'Clear.' },
  ]);
const loop = { tools: { weather }, stopWhen: isStepCount(3), maxRetries: 0 };

const asked: Message[] = [
  { role: 'user', content: 'Weather?' },
  {
    role: 'assistant',
    reasoning,
    content: 'Let me look. ',
    toolCalls: [{ id: 'c1', name: 'weather', arguments: exact }],
  },
  { role: 'tool', content: '{"sky":"clear"}', toolCallId: 'c1' },
];

describe('reasoning and arguments come back to the byte', () => {
  test('in generateText', async () => {
    const model = twoSteps();
    const result = await generateText({ model: languageModel(model), prompt: 'Weather?', ...loop });
    expect(result.text).toBe('Clear.');
    expect(model.requests[1]!.messages).toEqual(asked);
  });

  test('in streamText', async () => {
    const model = twoSteps();
    const result = streamText({ model: languageModel(model), prompt: 'Weather?', ...loop });
    expect(await result.text).toBe('Clear.');
    expect(model.requests[1]!.messages).toEqual(asked);
  });

  test('in the version 3 view', async () => {
    const model = twoSteps();
    await generateText({ model: languageModelV3(model), prompt: 'Weather?', ...loop });
    expect(model.requests[1]!.messages).toEqual(asked);
  });

  test('through the messages of a chat interface, stored as JSON', async () => {
    const model = twoSteps();
    const result = streamText({ model: languageModel(model), prompt: 'Weather?', ...loop });
    let answer: UIMessage | undefined;
    for await (const message of readUIMessageStream({ stream: toUIMessageStream({ stream: result.stream }) }))
      answer = message;
    const question: UIMessage = { id: 'q', role: 'user', parts: [{ type: 'text', text: 'Weather?' }] };
    const stored = JSON.parse(JSON.stringify([question, answer])) as UIMessage[];
    const later = mockModel([{ content: 'Bye.' }]);
    await generateText({ model: languageModel(later), messages: await convertToModelMessages(stored) });
    expect(later.requests[0]!.messages).toEqual([...asked, { role: 'assistant', content: 'Clear.' }]);
  });

  test('an empty reasoning stays an empty reasoning', async () => {
    const model = twoSteps({ reasoning: '' });
    await generateText({ model: languageModel(model), prompt: 'Weather?', ...loop });
    expect(model.requests[1]!.messages[1]).toMatchObject({ reasoning: '' });
  });

  test('an input that the application changed is sent as changed', async () => {
    const model = twoSteps();
    const first = await generateText({ model: languageModel(model), prompt: 'Weather?', tools: { weather } });
    const messages = structuredClone(first.response.messages);
    for (const message of messages) {
      if (message.role !== 'assistant' || typeof message.content === 'string') continue;
      for (const part of message.content) if (part.type === 'tool-call') part.input = { city: 'Oslo' };
    }
    await generateText({ model: languageModel(model), messages: [{ role: 'user', content: 'Weather?' }, ...messages] });
    expect(model.requests[1]!.messages[1]).toMatchObject({ toolCalls: [{ arguments: '{"city":"Oslo"}' }] });
  });
});

test('usage counts cached and reasoning tokens', async () => {
  const usage = {
    promptTokens: 318,
    cachedTokens: 256,
    completionTokens: 57,
    reasoningTokens: 21,
    acceptLengths: [2, 4],
  };
  const model = mockModel([{ content: 'x', usage }]);
  const result = await generateText({ model: languageModel(model), prompt: 'x' });
  expect(result.usage).toMatchObject({
    inputTokens: 318,
    inputTokenDetails: { noCacheTokens: 62, cacheReadTokens: 256 },
    outputTokens: 57,
    outputTokenDetails: { textTokens: 36, reasoningTokens: 21 },
  });
  expect(result.providerMetadata).toEqual({ mimokit: { acceptLengths: [2, 4] } });
});

test('options become the request, ours by setting or per call', async () => {
  const model = mockModel([{ content: 'x' }, { calls: [{ name: 'weather', arguments: { city: 'Oslo' } }] }]);
  const sdk = languageModel(model, { thinking: true, minP: 0.1 });
  await generateText({
    model: sdk,
    prompt: 'x',
    maxOutputTokens: 9,
    temperature: 0.5,
    topP: 0.9,
    topK: 20,
    frequencyPenalty: 0.1,
    presencePenalty: 0.2,
    seed: 7,
    stopSequences: ['END'],
    providerOptions: { mimokit: { mtp: false, thinkingBudget: 100, minP: 0.2 } },
  });
  expect(model.requests[0]).toMatchObject({
    thinking: true,
    thinkingBudget: 100,
    mtp: false,
    maxTokens: 9,
    seed: 7,
    stop: ['END'],
    sampling: { temperature: 0.5, topP: 0.9, topK: 20, minP: 0.2, frequencyPenalty: 0.1, presencePenalty: 0.2 },
  });
  await generateText({
    model: sdk,
    prompt: 'x',
    reasoning: 'none',
    tools: { weather },
    toolChoice: { type: 'tool', toolName: 'weather' },
  });
  expect(model.requests[1]).toMatchObject({ thinking: false, toolChoice: { name: 'weather' } });
  // A schema prints into the prompt: what says nothing is left out.
  expect(JSON.stringify(model.requests[1]!.tools)).not.toContain('$schema');
});

test('pictures become parts, files that no model reads a warning', async () => {
  const model = mockModel([{ content: 'x' }, { content: 'x' }]);
  const parts = [
    { type: 'text' as const, text: 'What is this?' },
    { type: 'file' as const, data: new Uint8Array([1, 2, 3]), mediaType: 'image/png' },
    { type: 'file' as const, data: new Uint8Array([1]), mediaType: 'application/pdf' },
  ];
  for (const make of [languageModel, languageModelV3]) {
    const result = await generateText({ model: make(model), messages: [{ role: 'user', content: parts }] });
    expect(model.requests.at(-1)!.messages).toEqual([
      {
        role: 'user',
        content: [
          { type: 'text', text: 'What is this?' },
          { type: 'image_url', image_url: { url: 'data:image/png;base64,AQID' } },
        ],
      },
    ]);
    expect(result.warnings).toMatchObject([{ type: 'unsupported', feature: 'files of type application/pdf' }]);
  }
});

test('what a tool gives or fails with is told to the model', async () => {
  const calls = ['text', 'json', 'fails', 'media'].map((name) => ({ id: name, name }));
  const model = mockModel([{ calls }, { content: 'ok' }]);
  const give = (value: unknown) => tool({ inputSchema: z.object({}), execute: () => value });
  await generateText({
    model: languageModel(model),
    prompt: 'x',
    stopWhen: isStepCount(2),
    tools: {
      text: give('plain'),
      json: give({ a: [1, null] }),
      fails: tool({
        inputSchema: z.object({}),
        execute: (): string => {
          throw new Error('disk full');
        },
      }),
      media: tool({
        inputSchema: z.object({}),
        execute: () => 'x',
        toModelOutput: () => ({ type: 'content', value: [{ type: 'text', text: 'seen' }] }),
      }),
    },
  });
  const results = model.requests[1]!.messages.filter((message) => message.role === 'tool');
  expect(results.map(({ content }) => content)).toEqual(['plain', '{"a":[1,null]}', 'Error: disk full', 'seen']);
});

describe('failures', () => {
  const failure = new MimoError('http-status', 'HTTP 401: no', { status: 401 });
  test('reach the caller as they are', async () => {
    const thrown = generateText({ model: languageModel(mockModel([failure])), prompt: 'x', maxRetries: 0 });
    await expect(thrown).rejects.toBe(failure);
    const stream = languageModel(mockModel([failure])).doStream({ prompt: [] });
    await expect(stream).rejects.toBe(failure);
  });
  test('in mid-stream are an error part after what there was', async () => {
    const model = {
      modelId: 'm',
      chat: () => ({
        async *[Symbol.asyncIterator]() {
          yield { type: 'text-delta' as const, text: 'Hel' };
          throw failure;
        },
        message: () => Promise.reject(failure),
      }),
    };
    const errors: unknown[] = [];
    const result = streamText({ model: languageModel(model), prompt: 'x', onError: ({ error }) => errors.push(error) });
    const types: string[] = [];
    for await (const part of result.stream) types.push(part.type);
    expect(types).toEqual(expect.arrayContaining(['text-delta', 'error']));
    expect(errors).toEqual([failure]);
    expect(await result.finishReason).toBe('error');
  });
  test('a stream without a finish is an error', async () => {
    const empty = { async *[Symbol.asyncIterator]() {}, message: () => Promise.reject(failure) };
    const model = languageModel({ modelId: 'm', chat: () => empty });
    await expect(generateText({ model, prompt: 'x', maxRetries: 0 })).rejects.toMatchObject({
      code: 'stream-malformed',
    });
  });
});

describe('aborts', () => {
  test('reject generateText with the reason', async () => {
    const controller = new AbortController();
    controller.abort(new DOMException('stop', 'AbortError'));
    const model = languageModel(mockModel([{ content: 'Hello' }]));
    await expect(model.doGenerate({ prompt: [], abortSignal: controller.signal })).rejects.toThrow('stop');
  });
  test('end a stream in the middle, and cancelling it stops the model', async () => {
    let stopped = false;
    const model = {
      modelId: 'm',
      chat: ({ signal }: { signal?: AbortSignal }) => ({
        async *[Symbol.asyncIterator]() {
          try {
            const isStopped = (): boolean => signal?.aborted === true;
            while (!isStopped()) {
              yield { type: 'text-delta' as const, text: 'x' };
              await new Promise((resolve) => setImmediate(resolve));
            }
          } finally {
            stopped = true;
          }
        },
        message: () => Promise.reject(new Error('unread')),
      }),
    };
    const { stream } = await languageModel(model).doStream({ prompt: [] });
    const reader = stream.getReader();
    for (let part = 0; part < 5; part++) await reader.read();
    await reader.cancel();
    expect(stopped).toBe(true);

    const controller = new AbortController();
    const result = streamText({ model: languageModel(model), prompt: 'x', abortSignal: controller.signal });
    const types: string[] = [];
    for await (const part of result.stream) {
      types.push(part.type);
      if (part.type === 'text-delta') controller.abort();
    }
    expect(types.at(-1)).toBe('abort');
  });
});

test('a call that was none after all ends its input and is text', async () => {
  const events = [
    { type: 'tool-input-start' as const, id: 'a', name: 'f' },
    { type: 'tool-input-cancelled' as const, id: 'a', text: '<tool_call>' },
    {
      type: 'finish' as const,
      reason: 'stop' as const,
      usage: { promptTokens: 1, cachedTokens: 0, completionTokens: 1, reasoningTokens: 0 },
      message: { role: 'assistant' as const, content: '<tool_call>' },
    },
  ];
  const chat = () => ({
    async *[Symbol.asyncIterator]() {
      yield* events;
    },
    message: () => Promise.reject(new Error('unread')),
  });
  const { stream } = await languageModel({ modelId: 'm', chat }).doStream({ prompt: [] });
  const types: string[] = [];
  for await (const part of stream) types.push(part.type);
  expect(types).toEqual([
    'stream-start',
    'response-metadata',
    'tool-input-start',
    'tool-input-end',
    'text-start',
    'text-delta',
    'text-end',
    'finish',
  ]);
});

test('an object is asked for in the system text and read by the SDK', async () => {
  const model = mockModel([{ content: '{"name":"MiMo"}' }]);
  const result = await generateText({
    model: languageModel(model),
    instructions: 'Be brief.',
    prompt: 'Who are you?',
    output: Output.object({ schema: z.object({ name: z.string() }) }),
  });
  expect(result.output).toEqual({ name: 'MiMo' });
  const [system] = model.requests[0]!.messages;
  expect(system!.content).toMatch(/^Be brief\.\n\nAnswer with one JSON value that fits this JSON Schema: \{.*"name"/);
});

test('a provider has its models by name', async () => {
  const registry = createProviderRegistry({ mimo: createProvider({ flash: mockModel([{ content: 'hi' }]) }) });
  expect((await generateText({ model: registry.languageModel('mimo:flash'), prompt: 'x' })).text).toBe('hi');
  expect(() => registry.languageModel('mimo:other')).toThrow(/other/);
});
