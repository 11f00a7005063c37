// The client against servers that are not ours, on a real model. SmolLM2 is too small to call tools by itself; shown two
// conversations with calls, it goes on like them. A server that is not installed here is skipped, and the reason is the test's name.
import type { AssistantMessage, ChatModel, ChatRequest, Message, StreamEvent } from '@mimokit/protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createClient } from '../src/index.ts';
import type { PresetName } from '../src/presets.ts';
import { createRawClient } from '../src/raw.ts';
import { runTools, tool, type ToolLoopEvent } from '../src/run-tools.ts';
import { type ForeignServer, llamaServer, transformersServer } from './foreign/servers.ts';

const thought = (city: string): string => `The user asks for the weather in ${city}. I will call the tool.`;
const asked = (city: string): string => `What is the weather in ${city}?`;

/** Two turns with a call each, then the question of a third. */
function conversation(withReasoning: boolean): Message[] {
  const shown = [
    ['Rome', 'sunny'],
    ['Lima', 'rainy'],
  ] as const;
  const turns = shown.flatMap(([city, sky], index): Message[] => {
    const toolCalls = [{ id: `call${index}`, name: 'weather', arguments: `{"city":"${city}"}` }];
    const said = withReasoning ? { reasoning: thought(city) } : {};
    return [
      { role: 'user', content: asked(city) },
      { role: 'assistant', content: '', ...said, toolCalls },
      { role: 'tool', content: sky, toolCallId: `call${index}` },
      { role: 'assistant', content: `It is ${sky} in ${city}.` },
    ];
  });
  return [...turns, { role: 'user', content: asked('Oslo') }];
}

const weather = tool({
  name: 'weather',
  description: 'Weather of a city',
  parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  execute: ({ city }) => `snowy, as always in ${String(city)}`,
});
const story: ChatRequest = { messages: [{ role: 'user', content: 'Tell me about the sea.' }] };

async function eventsOf(stream: AsyncIterable<StreamEvent>): Promise<StreamEvent[]> {
  const events: StreamEvent[] = [];
  for await (const event of stream) events.push(event);
  return events;
}

function textOf(events: readonly (StreamEvent | ToolLoopEvent)[], type: 'text-delta' | 'reasoning-delta'): string {
  return events.map((event) => (event.type === type ? event.text : '')).join('');
}

/** Runs the loop; the bodies that went out are kept. */
async function loopOver(model: ChatModel, request: Partial<ChatRequest> & { messages: readonly Message[] }) {
  const loop = runTools(model, { ...request, tools: [weather], maxTokens: 90, maxSteps: 2 });
  const events: ToolLoopEvent[] = [];
  for await (const event of loop) events.push(event);
  const call = loop.messages.find(
    (message): message is AssistantMessage => message.role === 'assistant' && request.messages.indexOf(message) < 0,
  );
  return { events, messages: loop.messages, call: call! };
}

const foreign = [
  { name: 'llama.cpp', preset: 'llama.cpp', server: llamaServer(), greedy: { temperature: 0 } },
  // Greedy unless the checkpoint says otherwise; it has no parameter for it.
  { name: 'transformers serve', preset: 'transformers', server: transformersServer(), greedy: {} },
] satisfies { name: string; preset: PresetName; server: unknown; greedy: object }[];

describe.each(foreign)('$name', ({ preset, server, greedy }) => {
  if ('missing' in server) {
    test.skipIf(true)(`is not run: ${server.missing}`, () => {});
    return;
  }
  let running: ForeignServer;
  const bodies: Record<string, unknown>[] = [];
  const options = () => ({
    baseURL: `${running.url}/v1`,
    model: running.model,
    preset,
    fetch: async (input: string | URL | Request, init?: RequestInit) => {
      bodies.push(JSON.parse(String(init?.body)) as Record<string, unknown>);
      return fetch(input, init);
    },
  });
  beforeAll(async () => {
    running = await server.start();
  });
  afterAll(async () => {
    await running[Symbol.asyncDispose]();
  });

  test('a stream brings the answer that comes in one piece, with its counts', async () => {
    const request = { ...story, maxTokens: 24, sampling: greedy };
    const events = await eventsOf(createClient(options()).chat(request));
    const whole = await createClient({ ...options(), stream: false })
      .chat(request)
      .message();
    expect(textOf(events, 'text-delta')).toBe(whole.content);
    expect(events.filter(({ type }) => type === 'text-delta').length).toBeGreaterThan(5);
    expect(events.at(-1)).toMatchObject({ type: 'finish', reason: 'length', usage: { completionTokens: 24 } });
    const { promptTokens } = (events.at(-1) as StreamEvent & { type: 'finish' }).usage;
    expect(promptTokens).toBeGreaterThan(8);
  });

  test('a stop text ends the answer and is not part of it', async () => {
    const { content } = await createClient(options())
      .chat({ ...story, maxTokens: 24, sampling: greedy })
      .message();
    const word = content.trim().split(' ')[3]!;
    const stopped = createClient(options()).chat({ ...story, maxTokens: 24, sampling: greedy, stop: [word] });
    const events = await eventsOf(stopped);
    expect(events.at(-1)).toMatchObject({ type: 'finish', reason: 'stop' });
    expect(content.startsWith(textOf(events, 'text-delta').trimEnd())).toBe(true);
    // transformers leaves the stop text in the answer.
    if (preset !== 'transformers') expect(textOf(events, 'text-delta')).not.toContain(word);
  });

  test('raw mode: reasoning and a call come out of a server that knows neither, and go back byte for byte', async () => {
    bodies.length = 0;
    const model = createRawClient(options());
    const request = { messages: conversation(true), thinking: true, keepAllReasoning: true, sampling: greedy };
    const { events, call, messages } = await loopOver(model, request);
    expect(call).toMatchObject({ reasoning: thought('Oslo'), toolCalls: [{ arguments: '{"city":"Oslo"}' }] });
    expect(textOf(events, 'reasoning-delta')).toContain(thought('Oslo'));
    expect(messages).toContainEqual(expect.objectContaining({ role: 'tool', content: 'snowy, as always in Oslo' }));
    const [first, second] = bodies.map(({ prompt }) => String(prompt));
    // The model opened its reasoning itself.
    expect(second!.slice(first!.length).startsWith(`<think>${thought('Oslo')}</think>`)).toBe(true);
    expect(second!.startsWith(first!)).toBe(true);
    expect(second).toContain('snowy, as always in Oslo');
  });

  test('raw mode: a call that must be made is made', async () => {
    const model = createRawClient(options());
    const request: ChatRequest = {
      messages: conversation(false),
      tools: [weather.definition],
      toolChoice: { name: 'weather' },
      thinking: false,
      maxTokens: 40,
      sampling: greedy,
    };
    expect((await model.chat(request).message()).toolCalls).toMatchObject([{ name: 'weather' }]);
  });

  test('an abort ends the stream with what there was, and the server is free again', async () => {
    const controller = new AbortController();
    const request = { ...story, maxTokens: 2000, signal: controller.signal };
    const events: StreamEvent[] = [];
    for await (const event of createClient(options()).chat(request)) {
      events.push(event);
      if (event.type === 'text-delta') controller.abort();
    }
    expect(events.at(-1)).toMatchObject({ type: 'finish', reason: 'aborted' });
    // The next request is answered, in less time than the left one would have taken.
    const next = await createClient(options())
      .chat({ ...story, maxTokens: 2, sampling: greedy })
      .message();
    expect(next.content).not.toBe('');
  });

  test('a request the server refuses is a typed error with its status', async () => {
    const model = createClient({ ...options(), extraBody: { messages: 'none' } });
    await expect(model.chat(story).message()).rejects.toMatchObject({ code: 'http-status' });
  });

  test.skipIf(preset !== 'llama.cpp')('its own parser: reasoning and calls as deltas, both sent back', async () => {
    bodies.length = 0;
    const request = { messages: conversation(true), sampling: greedy };
    const { events, call } = await loopOver(createClient(options()), request);
    expect(call).toMatchObject({ toolCalls: [{ name: 'weather' }] });
    expect(JSON.parse(call.toolCalls![0]!.arguments)).toEqual({ city: 'Oslo' });
    expect(call.reasoning).toContain(thought('Oslo'));
    expect(textOf(events, 'reasoning-delta')).toContain(thought('Oslo'));
    const sent = (bodies[1]!['messages'] as Record<string, unknown>[])[9]!;
    expect(sent).toMatchObject({ role: 'assistant', reasoning_content: call.reasoning });
    // What the server's model saw of it.
    const seen = await fetch(`${running.url}/apply-template`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ messages: bodies[1]!['messages'], tools: bodies[1]!['tools'] }),
    });
    const { prompt } = (await seen.json()) as { prompt: string };
    expect(prompt).toContain(`<think>\n${call.reasoning}`);
  });

  test.skipIf(preset !== 'llama.cpp')('cached prompt tokens are counted', async () => {
    const request = { messages: conversation(false), maxTokens: 2, sampling: greedy };
    await createClient(options()).chat(request).message();
    const events = await eventsOf(createClient(options()).chat(request));
    expect((events.at(-1) as StreamEvent & { type: 'finish' }).usage.cachedTokens).toBeGreaterThan(50);
  });
});
