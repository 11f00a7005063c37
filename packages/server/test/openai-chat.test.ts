// The real `openai` package against nano: what it sends, what the model gets to see, what comes back.
import type { LocalModel } from '@mimokit/runtime';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openaiTools, openNano, runTool, type Served, serveNano, spyFetch } from './nano.ts';

let model: LocalModel;
beforeAll(async () => {
  model = await openNano();
});
afterAll(() => model.dispose());

function clientOf(served: Served): OpenAI {
  return new OpenAI({
    baseURL: `${served.server.url}/v1`,
    apiKey: 'none',
    maxRetries: 0,
    fetch: spyFetch(served.bodies),
  });
}

const question = { role: 'user' as const, content: 'What is 37 * 12?' };
const thinking = { chat_template_kwargs: { enable_thinking: true } };
const runnable = openaiTools.map(({ function: { name, description, parameters } }) => ({
  type: 'function' as const,
  function: {
    name,
    description,
    parameters,
    parse: (text: string) => JSON.parse(text) as Record<string, unknown>,
    function: (input: Record<string, unknown>) => runTool(name, input),
  },
}));

describe('chat', () => {
  test('an answer in one piece and as a stream say the same', async () => {
    await using served = await serveNano(model);
    const client = clientOf(served);
    const whole = await client.chat.completions.create({
      model: 'nano',
      messages: [{ role: 'user', content: 'Hello' }],
    });
    const text = whole.choices[0].message.content;
    expect(text).toMatch(/\w+/);
    expect(whole.choices[0].finish_reason).toBe('stop');
    const stream = await client.chat.completions.create({
      model: 'nano',
      messages: [{ role: 'user', content: 'Hello' }],
      stream: true,
      stream_options: { include_usage: true },
    });
    let streamed = '';
    let usage: OpenAI.CompletionUsage | undefined;
    for await (const chunk of stream) {
      streamed += chunk.choices[0]?.delta.content ?? '';
      usage = chunk.usage ?? usage;
    }
    expect(streamed).toBe(text);
    expect(usage).toMatchObject({
      prompt_tokens: whole.usage!.prompt_tokens,
      completion_tokens: whole.usage!.completion_tokens,
    });
  });

  test('reasoning streams under its own name, and its tokens are counted', async () => {
    await using served = await serveNano(model);
    const stream = await clientOf(served).chat.completions.create({
      model: 'nano',
      messages: [question],
      tools: openaiTools,
      stream: true,
      stream_options: { include_usage: true },
      ...thinking,
    });
    let reasoning = '';
    let last: OpenAI.ChatCompletionChunk | undefined;
    for await (const chunk of stream) {
      const delta: { reasoning_content?: string } | undefined = chunk.choices[0]?.delta as object | undefined;
      reasoning += delta?.reasoning_content ?? '';
      last = chunk;
    }
    expect(reasoning).toMatch(/\w+/);
    expect(last!.usage!.completion_tokens_details!.reasoning_tokens).toBeGreaterThan(0);
    expect(last!.usage!.completion_tokens_details!.accepted_prediction_tokens).toBeGreaterThanOrEqual(0);
  });

  test('log-probabilities are of the text, whole and streamed; a bias forbids an id', async () => {
    await using served = await serveNano(model);
    const client = clientOf(served);
    const hello = {
      model: 'nano',
      messages: [{ role: 'user' as const, content: 'Hello' }],
      logprobs: true,
      top_logprobs: 2,
    };
    const [whole] = (await client.chat.completions.create(hello)).choices;
    const tokens = whole.logprobs!.content!;
    expect(tokens.map(({ token }) => token).join('')).toBe(whole.message.content);
    for (const { logprob, top_logprobs: top } of tokens) {
      expect(top).toHaveLength(2);
      expect(logprob).toBe(top[0].logprob);
    }
    const streamed: string[] = [];
    for await (const chunk of await client.chat.completions.create({ ...hello, stream: true })) {
      streamed.push(...(chunk.choices[0]?.logprobs?.content ?? []).map(({ token }) => token));
    }
    expect(streamed).toEqual(tokens.map(({ token }) => token));
    const [first] = model.tokenize(whole.message.content!);
    const other = await client.chat.completions.create({ ...hello, logit_bias: { [first]: -100 } });
    expect(other.choices[0].logprobs!.content![0].token).not.toBe(tokens[0].token);
  });

  test('n answers differ by seed only, and each is the answer of its seed', async () => {
    await using served = await serveNano(model);
    const client = clientOf(served);
    const request = { model: 'nano', messages: [question], temperature: 1.5, seed: 7, max_tokens: 24 };
    const three = await client.chat.completions.create({ ...request, n: 3 });
    expect(three.choices.map(({ index }) => index)).toEqual([0, 1, 2]);
    const third = await client.chat.completions.create({ ...request, seed: 9 });
    expect(three.choices[2].message.content).toBe(third.choices[0].message.content);
  });

  test('a stop text ends the answer before it, and maxTokens says length', async () => {
    await using served = await serveNano(model);
    const client = clientOf(served);
    const hello = { model: 'nano', messages: [{ role: 'user' as const, content: 'Hello' }] };
    const whole = (await client.chat.completions.create(hello)).choices[0].message.content!;
    const stopped = await client.chat.completions.create({ ...hello, stop: [whole.slice(3, 6)] });
    expect(stopped.choices[0].message.content).toBe(whole.slice(0, 3));
    const cut = await client.chat.completions.create({ ...hello, max_completion_tokens: 2 });
    expect(cut.choices[0].finish_reason).toBe('length');
  });

  test('more tokens than the context has are cut to what fits', async () => {
    await using served = await serveNano(model);
    const answer = await clientOf(served).chat.completions.create({
      model: 'nano',
      messages: [{ role: 'user', content: 'Hello' }],
      max_completion_tokens: 10_000_000,
    });
    expect(answer.choices[0].finish_reason).toBe('stop');
  });
});

describe('a tool loop whose client drops the reasoning', () => {
  async function loop(served: Served, stream: boolean): Promise<string | null> {
    const client = clientOf(served);
    const body = { model: 'nano', messages: [question], tools: runnable, ...thinking };
    const runner = stream
      ? client.chat.completions.runTools({ ...body, stream: true })
      : client.chat.completions.runTools(body);
    return runner.finalContent();
  }

  test.each([false, true])('restore: the model sees its reasoning again (stream: %s)', async (stream) => {
    await using served = await serveNano(model);
    expect(await loop(served, stream)).toContain('444');
    const [, second] = served.bodies;
    const [, assistant, tool] = second.body['messages'] as Record<string, unknown>[];
    // As received: this client sends no reasoning (streamed, at most its last fragment).
    expect(tool).toMatchObject({ role: 'tool', content: '444' });
    const sent = assistant['reasoning_content'];
    // What the model saw: everything it wrote, in front of the same call.
    expect(served.asked).toHaveLength(2);
    const [, past] = served.asked[1].messages;
    if (past.role !== 'assistant') throw new Error('no assistant message');
    expect(past.reasoning).toMatch(/calculator/);
    expect(sent === undefined || (stream && sent !== past.reasoning)).toBe(true);
    const [before, after] = served.prompts;
    expect(after.startsWith(before)).toBe(true);
    expect(after.slice(before.length)).toMatch(
      /^<think>I will call calculator[^<]*<\/think><tool_call>\n<function=calculator>/,
    );
  });

  test('restore: the second prompt continues the first, so nothing is computed twice', async () => {
    await using served = await serveNano(model);
    const client = clientOf(served);
    const body = { model: 'nano', tools: openaiTools, ...thinking };
    const first = await client.chat.completions.create({ ...body, messages: [question] });
    const { content, tool_calls: calls } = first.choices[0].message;
    const second = await client.chat.completions.create({
      ...body,
      messages: [
        question,
        { role: 'assistant', content, tool_calls: calls! },
        { role: 'tool', tool_call_id: calls![0].id, content: '444' },
      ],
    });
    const { prompt_tokens: prompt, completion_tokens: completion } = first.usage!;
    expect(second.usage!.prompt_tokens_details!.cached_tokens).toBeGreaterThanOrEqual(prompt + completion - 1);
  });

  test('off: the request is taken as it is', async () => {
    await using served = await serveNano(model, { reasoningRecall: 'off' });
    await loop(served, false);
    expect(served.asked[1].messages[1]).not.toHaveProperty('reasoning');
  });

  test("strict: the platform's own refusal", async () => {
    await using served = await serveNano(model, { reasoningRecall: 'strict' });
    await expect(loop(served, false)).rejects.toMatchObject({
      status: 400,
      error: {
        code: '400',
        message: 'Param Incorrect',
        param: 'The reasoning_content in the thinking mode must be passed back to the API.',
      },
    });
    expect(served.asked).toHaveLength(1);
  });

  test("another key's calls are not found", async () => {
    await using served = await serveNano(model, { apiKeys: ['one', 'two'] });
    const options = { baseURL: `${served.server.url}/v1`, maxRetries: 0 };
    const body = { model: 'nano', tools: openaiTools, ...thinking };
    const first = await new OpenAI({ ...options, apiKey: 'one' }).chat.completions.create({
      ...body,
      messages: [question],
    });
    const calls = first.choices[0].message.tool_calls!;
    await new OpenAI({ ...options, apiKey: 'two' }).chat.completions.create({
      ...body,
      messages: [
        question,
        { role: 'assistant', content: null, tool_calls: calls },
        { role: 'tool', tool_call_id: calls[0].id, content: '444' },
      ],
    });
    expect(served.asked[1].messages[1]).not.toHaveProperty('reasoning');
    expect(served.asked.map(({ namespace }) => namespace)).toEqual(['key-0', 'key-1']);
  });
});

test('a forced call comes over the wire', async () => {
  await using served = await serveNano(model);
  const answer = await clientOf(served).chat.completions.create({
    model: 'nano',
    messages: [{ role: 'user', content: 'Hello' }],
    tools: openaiTools,
    tool_choice: { type: 'function', function: { name: 'clock' } },
  });
  expect(answer.choices[0].finish_reason).toBe('tool_calls');
  const [call] = answer.choices[0].message.tool_calls!;
  expect(call).toMatchObject({ type: 'function', function: { name: 'clock' } });
});

test('models are listed with what they hold', async () => {
  await using served = await serveNano(model);
  const [first] = (await clientOf(served).models.list()).data;
  expect(first.id).toBe('nano');
});
