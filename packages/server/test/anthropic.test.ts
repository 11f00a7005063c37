// The real `@anthropic-ai/sdk` against nano: messages, streams, and its tool runner as it comes, threads and all.
import Anthropic from '@anthropic-ai/sdk';
import { demoTools } from '@mimokit/nano';
import type { LocalModel } from '@mimokit/runtime';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openNano, runTool, type Served, serveNano, spyFetch } from './nano.ts';

let model: LocalModel;
beforeAll(async () => {
  model = await openNano();
});
afterAll(() => model.dispose());

const clientOf = (served: Served): Anthropic =>
  new Anthropic({ baseURL: served.server.url, apiKey: 'none', maxRetries: 0, fetch: spyFetch(served.bodies) });

const question = { role: 'user' as const, content: 'What is 37 * 12?' };
const thinking = { type: 'enabled' as const, budget_tokens: 1024 };
const tools = demoTools.map(({ name, description, parameters }) => ({
  name,
  description,
  input_schema: { ...parameters },
}));
const base = { model: 'nano', max_tokens: 256, thinking, tools };

const runnable = demoTools.map(({ name, description, parameters }) => ({
  type: 'custom' as const,
  name,
  description,
  input_schema: { ...parameters },
  parse: (input: unknown) => input as Record<string, unknown>,
  run: (input: Record<string, unknown>) => runTool(name, input),
}));

describe('messages', () => {
  test('blocks: thinking, then the call, and what the cache gave', async () => {
    await using served = await serveNano(model);
    const message = await clientOf(served).messages.create({ ...base, messages: [question] });
    expect(message).toMatchObject({ type: 'message', role: 'assistant', model: 'nano', stop_reason: 'tool_use' });
    expect(message.content.map(({ type }) => type)).toEqual(['thinking', 'tool_use']);
    expect(message.content[1]).toMatchObject({ name: 'calculator', input: { expression: '37 * 12' } });
    expect(message.usage.input_tokens + message.usage.cache_read_input_tokens!).toBeGreaterThan(300);
  });

  test('a stream accumulates to the same message, one block after the other', async () => {
    await using served = await serveNano(model);
    const client = clientOf(served);
    const whole = await client.messages.create({ ...base, messages: [question] });
    const stream = client.messages.stream({ ...base, messages: [question] });
    const open: number[] = [];
    for await (const event of stream) {
      if (event.type === 'content_block_start') open.push(event.index);
      if (event.type === 'content_block_stop') expect(open.pop()).toBe(event.index);
      expect(open.length).toBeLessThanOrEqual(1);
    }
    const streamed = await stream.finalMessage();
    const plain = (message: Anthropic.Message) =>
      message.content.map((block) => (block.type === 'tool_use' ? { ...block, id: '' } : { ...block }));
    expect(plain(streamed)).toEqual(plain(whole));
    expect(streamed.stop_reason).toBe('tool_use');
    expect(streamed.usage.output_tokens).toBe(whole.usage.output_tokens);
  });

  test('thinking disabled is disabled', async () => {
    await using served = await serveNano(model);
    const message = await clientOf(served).messages.create({
      ...base,
      thinking: { type: 'disabled' },
      messages: [question],
    });
    expect(message.content.map(({ type }) => type)).not.toContain('thinking');
  });

  test('tool_choice any and tool force a call, max_tokens cuts', async () => {
    await using served = await serveNano(model);
    const client = clientOf(served);
    const hello = { ...base, messages: [{ role: 'user' as const, content: 'Hello' }] };
    expect((await client.messages.create({ ...hello, tool_choice: { type: 'any' } })).stop_reason).toBe('tool_use');
    const named = await client.messages.create({ ...hello, tool_choice: { type: 'tool', name: 'clock' } });
    expect(named.content.at(-1)).toMatchObject({ type: 'tool_use', name: 'clock' });
    expect((await client.messages.create({ ...hello, max_tokens: 2 })).stop_reason).toBe('max_tokens');
  });

  test('a stop sequence is named', async () => {
    await using served = await serveNano(model);
    const message = await clientOf(served).messages.create({
      model: 'nano',
      max_tokens: 64,
      messages: [{ role: 'user', content: 'Hello' }],
      stop_sequences: ['!', 'zzz'],
    });
    expect(message).toMatchObject({ stop_reason: 'stop_sequence', stop_sequence: '!' });
  });

  test('system text, parts and results reach the prompt in their order', async () => {
    await using served = await serveNano(model);
    await clientOf(served).messages.create({
      ...base,
      system: [{ type: 'text', text: 'Be brief.' }],
      messages: [
        question,
        {
          role: 'assistant',
          content: [{ type: 'tool_use', id: 'toolu_1', name: 'calculator', input: { expression: '37 * 12' } }],
        },
        {
          role: 'user',
          content: [
            { type: 'tool_result', tool_use_id: 'toolu_1', content: [{ type: 'text', text: '444' }] },
            { type: 'text', text: 'Say it in words.' },
          ],
        },
      ],
    });
    const [prompt] = served.prompts;
    const places = [
      'Be brief.',
      '37 * 12?',
      '<function=calculator>',
      '<tool_response>\n444\n</tool_response>',
      'Say it in words.',
    ];
    const found = places.map((text) => prompt.indexOf(text));
    expect(found).toEqual([...found].sort((a, b) => a - b));
    expect(found[0]).toBeGreaterThan(0);
  });

  test('tokens are counted without running anything', async () => {
    await using served = await serveNano(model);
    const { input_tokens: count } = await new Anthropic({ baseURL: served.server.url, apiKey: 'none' }).messages
      .countTokens({ model: 'nano', messages: [question] })
      .catch((error: unknown) => ({ input_tokens: error }));
    // The watched model is a ChatModel only: it says so. The model itself counts.
    expect(count).toMatchObject({ status: 404 });
    await using direct = await serveNano(model, { models: [model] });
    const counted = await clientOf(direct).messages.countTokens({ model: 'nano', messages: [question] });
    const whole = await clientOf(direct).messages.create({ model: 'nano', max_tokens: 1, messages: [question] });
    expect(counted.input_tokens).toBe(whole.usage.input_tokens + whole.usage.cache_read_input_tokens!);
  });
});

describe("the SDK's tool runner", () => {
  const params = { ...base, tools: runnable, messages: [question] };

  test.each([false, true])('with its default thread: turn 2 brings only the result (stream: %s)', async (stream) => {
    await using served = await serveNano(model);
    const runner = stream
      ? clientOf(served).beta.messages.toolRunner({ ...params, stream: true })
      : clientOf(served).beta.messages.toolRunner(params);
    const final = await runner.runUntilDone();
    expect(final.content.map((block) => (block.type === 'text' ? block.text : '')).join('')).toContain('444');
    expect(final.usage.cache_read_input_tokens).toBeGreaterThan(final.usage.input_tokens);
    const [, second] = served.bodies;
    // As received: a continued thread, one message, no tools.
    expect(second.body).toMatchObject({
      thread: { type: 'continue', previous_message_id: expect.stringMatching(/^msg_/) },
    });
    expect(second.body['messages']).toHaveLength(1);
    expect(second.body).not.toHaveProperty('tools');
    // What the model saw: everything, in front of the same bytes.
    const [before, after] = served.prompts;
    expect(after.startsWith(before)).toBe(true);
    expect(after.slice(before.length)).toMatch(
      /^<think>I will call calculator[^<]*<\/think><tool_call>\n<function=calculator>/,
    );
    expect(after).toContain('<tool_response>\n444\n</tool_response>');
  });

  test('a thread that was lost is replayed by the SDK, and the answer is the same', async () => {
    // Nothing fits into one byte, so no thread is ever found again.
    await using served = await serveNano(model, { answerBytes: 1 });
    const final = await clientOf(served).beta.messages.toolRunner(params).runUntilDone();
    expect(final.content.map((block) => (block.type === 'text' ? block.text : '')).join('')).toContain('444');
    expect(served.bodies.map(({ body }) => (body['thread'] as { type: string }).type)).toEqual([
      'create',
      'continue',
      'create',
    ]);
  });

  test('without a thread it sends its thinking back, and the model sees it', async () => {
    await using served = await serveNano(model, { reasoningRecall: 'off' });
    const final = await clientOf(served)
      .beta.messages.toolRunner({ ...params, thread: false })
      .runUntilDone();
    expect(final.content.map((block) => (block.type === 'text' ? block.text : '')).join('')).toContain('444');
    expect(served.asked[1].messages[1]).toMatchObject({
      role: 'assistant',
      reasoning: expect.stringContaining('calculator'),
    });
  });

  test("another key's thread is not found", async () => {
    await using served = await serveNano(model, { apiKeys: ['one', 'two'] });
    const one = new Anthropic({ baseURL: served.server.url, apiKey: 'one', maxRetries: 0 });
    const two = new Anthropic({ baseURL: served.server.url, apiKey: 'two', maxRetries: 0 });
    const request = { ...base, messages: [question] };
    const first = await one.beta.messages.create({ ...request, thread: { type: 'create' } });
    const next = { ...request, tools: [], thread: { type: 'continue' as const, previous_message_id: first.id } };
    await expect(two.beta.messages.create(next)).rejects.toMatchObject({
      status: 404,
      error: { error: { details: { error_code: 'thread_not_found' } } },
    });
  });
});

describe("errors come in Anthropic's envelope", () => {
  test.each([
    [404, 'not_found_error', { model: 'claude' }],
    [400, 'invalid_request_error', { max_tokens: 0 }],
    [400, 'invalid_request_error', { messages: [] }],
    [400, 'invalid_request_error', { messages: [{ role: 'user', content: [{ type: 'hologram' }] }] }],
    [400, 'invalid_request_error', { tools: [{ name: 'f', input_schema: { type: 'banana' } }] }],
    [400, 'invalid_request_error', { tools: [{ type: 'bash_20250124', name: 'bash' }] }],
    [400, 'invalid_request_error', { messages: [question, { role: 'assistant', content: 'The' }] }],
  ])('%i %s', async (status, type, wrong) => {
    await using served = await serveNano(model);
    const response = await fetch(`${served.server.url}/v1/messages`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'anthropic-version': '2023-06-01' },
      body: JSON.stringify({ model: 'nano', max_tokens: 8, messages: [question], ...wrong }),
    });
    const body = (await response.json()) as unknown;
    expect(body).toMatchObject({
      type: 'error',
      error: { type, message: expect.any(String) },
      request_id: expect.any(String),
    });
    expect(response.status).toBe(status);
  });
});
