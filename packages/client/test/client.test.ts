// createClient against a real HTTP server: shapes of four servers, cut anywhere, and what goes back on the wire.
import { type AssistantMessage, type ChatModel, type StreamEvent } from '@mimokit/protocol';
import { describe, expect, test } from 'vitest';
import { createClient } from '../src/index.ts';
import { chunks, delta, json, serve, stream } from './server.ts';
import { call, content, reasoning, shapes, usage } from './shapes.ts';

const question = { messages: [{ role: 'user' as const, content: 'Weather in Zürich?' }] };

async function eventsOf(model: ChatModel, request = question): Promise<StreamEvent[]> {
  const events: StreamEvent[] = [];
  for await (const event of model.chat(request)) events.push(event);
  return events;
}

/** Neighbouring deltas as one, so that event lists do not depend on how a server cuts them. */
function joined(events: readonly StreamEvent[]): StreamEvent[] {
  const out: StreamEvent[] = [];
  for (const event of events) {
    const last = out.at(-1);
    const same = last?.type === event.type && 'text' in event && 'text' in last;
    if (same) out[out.length - 1] = { ...event, text: last.text + event.text };
    else out.push(event);
  }
  return out;
}

/** A model whose transport hands out these byte pieces. */
function modelOver(pieces: readonly Uint8Array[]): ChatModel {
  const fetch = (): Promise<Response> => {
    const body = new ReadableStream({
      start(controller) {
        for (const piece of pieces) controller.enqueue(piece);
        controller.close();
      },
    });
    return Promise.resolve(new Response(body, { headers: { 'content-type': 'text/event-stream' } }));
  };
  return createClient({ baseURL: 'http://127.0.0.1:1/v1', model: 'mimo-v2-flash', fetch });
}

const whole: AssistantMessage = { role: 'assistant', reasoning, content, toolCalls: [call] };

describe.each(shapes)('a stream in the shape of $preset', ({ preset, bytes }) => {
  test('becomes reasoning, text, one call and the usage', async () => {
    await using server = await serve(stream(bytes));
    const events = await eventsOf(createClient({ baseURL: server.baseURL, model: 'm', preset }));
    expect(joined(events)).toEqual([
      { type: 'reasoning-delta', text: reasoning },
      { type: 'text-delta', text: content },
      { type: 'tool-input-start', id: call.id, name: call.name },
      { type: 'tool-input-delta', id: call.id, text: call.arguments },
      { type: 'tool-input-end', id: call.id },
      { type: 'tool-call', call },
      { type: 'finish', reason: 'tool-calls', usage, message: whole },
    ]);
  });

  test('gives the same events when every byte comes in a write of its own', async () => {
    const cuts = Array.from(Buffer.from(bytes).keys()).slice(1);
    await using server = await serve(stream(bytes, { cuts }));
    const events = await eventsOf(createClient({ baseURL: server.baseURL, model: 'm', preset }));
    expect(events).toEqual(await eventsOf(modelOver([Buffer.from(bytes)])));
  });

  test('gives the same message when cut in two at every byte', async () => {
    const buffer = Buffer.from(bytes);
    for (let cut = 0; cut <= buffer.length; cut++) {
      const message = await modelOver([buffer.subarray(0, cut), buffer.subarray(cut)])
        .chat(question)
        .message();
      expect({ cut, message }).toEqual({ cut, message: whole });
    }
  });

  test('broken off anywhere is an error with what there was, or whole, never a shorter answer', async () => {
    const buffer = Buffer.from(bytes);
    for (let end = 0; end < buffer.length; end += 7) {
      const outcome = await modelOver([buffer.subarray(0, end)])
        .chat(question)
        .message()
        .then(
          (message) => ({ message }),
          (error: unknown) => ({ error }),
        );
      if ('message' in outcome) expect(outcome.message).toEqual(whole);
      else expect(outcome.error).toMatchObject({ code: 'stream-malformed' });
    }
  });

  test('its message goes back byte for byte in the next request', async () => {
    await using server = await serve(stream(bytes), stream(chunks(delta({ content: 'Sunny.' }, 'stop'))));
    const model = createClient({ baseURL: server.baseURL, model: 'm', preset });
    const message = await model.chat(question).message();
    await model
      .chat({ messages: [...question.messages, message, { role: 'tool', content: '{}', toolCallId: call.id }] })
      .message();
    const sent = server.received[1]!.body.messages[1]!;
    const field = preset === 'vllm' ? 'reasoning' : 'reasoning_content';
    const other = preset === 'vllm' ? 'reasoning_content' : 'reasoning';
    expect(sent[field]).toBe(reasoning);
    expect(sent[other]).toBeUndefined();
    expect(sent['tool_calls']).toEqual([
      { id: call.id, type: 'function', function: { name: call.name, arguments: call.arguments } },
    ]);
    expect(server.received[1]!.text).toContain(JSON.stringify(reasoning));
  });
});

test('an answer in one piece gives the same message and usage', async () => {
  const answer = {
    id: '72c2',
    object: 'chat.completion',
    created: 1,
    model: 'mimo-v2-flash',
    choices: [
      {
        finish_reason: 'tool_calls',
        index: 0,
        message: {
          content,
          role: 'assistant',
          reasoning_content: reasoning,
          tool_calls: [{ id: call.id, type: 'function', function: { name: call.name, arguments: call.arguments } }],
        },
      },
    ],
    usage: {
      completion_tokens: 57,
      prompt_tokens: 318,
      total_tokens: 375,
      completion_tokens_details: { reasoning_tokens: 21 },
      prompt_tokens_details: { cached_tokens: 256 },
    },
  };
  await using server = await serve(json(200, answer));
  const model = createClient({ baseURL: server.baseURL, model: 'm', stream: false });
  const events = await eventsOf(model);
  expect(events.at(-1)).toEqual({ type: 'finish', reason: 'tool-calls', usage, message: whole });
  expect(server.received[0]!.body['stream']).toBe(false);
});

test('a gateway that answers a stream request in one piece is understood', async () => {
  await using server = await serve(
    json(200, {
      choices: [{ index: 0, message: { content: 'Hi', tool_calls: null }, finish_reason: 'stop' }],
      usage: null,
    }),
  );
  const message = await createClient({ baseURL: server.baseURL, model: 'm' }).chat(question).message();
  expect(message).toEqual({ role: 'assistant', content: 'Hi' });
});

describe('odd deltas', () => {
  const toolCall = (value: object, finish: string | null = null): unknown => delta({ tool_calls: [value] }, finish);
  const oddities: Record<string, unknown[]> = {
    'no index': [
      toolCall({ id: 'a', function: { name: 'f', arguments: '' } }),
      toolCall({ function: { arguments: '{"x":' } }),
      toolCall({ function: { arguments: '1}' } }),
      toolCall({ id: 'b', function: { name: 'g', arguments: '{}' } }),
    ],
    'neither index nor id on what follows, names repeated as empty text': [
      toolCall({ id: 'a', function: { name: 'f' } }),
      toolCall({ function: { name: '', arguments: '{"x":1}' } }),
      toolCall({ id: 'b', function: { name: 'g', arguments: '{}' } }),
    ],
    'a late name': [
      toolCall({ index: 0, id: 'a', function: { arguments: '' } }),
      toolCall({ index: 0, function: { name: 'f', arguments: '{"x":1}' } }),
      toolCall({ index: 1, id: 'b', function: { name: '' } }),
      toolCall({ index: 1, function: { name: 'g', arguments: '{}' } }),
    ],
    'a fresh id in every delta': [
      toolCall({ index: 0, id: 'a', function: { name: 'f' } }),
      toolCall({ index: 0, id: 'a2', function: { arguments: '{"x":' } }),
      toolCall({ index: 0, id: 'a3', function: { arguments: '1}' } }),
      toolCall({ index: 1, id: 'b', function: { name: 'g' } }),
      toolCall({ index: 1, id: 'b2', function: { arguments: '{}' } }),
    ],
    'index 0 for every call': [
      toolCall({ index: 0, id: 'a', function: { name: 'f', arguments: '{"x":1}' } }),
      toolCall({ index: 0, id: 'b', function: { name: 'g', arguments: '{}' } }),
    ],
    'all calls in one delta, with text and reasoning': [
      delta({
        content: null,
        reasoning: '',
        tool_calls: [
          { index: 0, id: 'a', type: 'function', function: { name: 'f', arguments: '{"x":1}' } },
          { index: 1, id: 'b', type: 'function', function: { name: 'g', arguments: '{}' } },
        ],
      }),
    ],
    'interleaved calls': [
      toolCall({ index: 0, id: 'a', function: { name: 'f', arguments: '{"x"' } }),
      toolCall({ index: 1, id: 'b', function: { name: 'g', arguments: '{' } }),
      toolCall({ index: 0, function: { arguments: ':1}' } }),
      toolCall({ index: 1, function: { arguments: '}' } }),
    ],
    'arguments as an object, and none at all': [
      toolCall({ index: 0, id: 'a', function: { name: 'f', arguments: { x: 1 } } }),
      toolCall({ index: 1, id: 'b', function: { name: 'g' } }),
    ],
  };
  test.each(Object.entries(oddities))('%s', async (_, values) => {
    await using server = await serve(stream(chunks(...values, delta({}, 'tool_calls'))));
    const message = await createClient({ baseURL: server.baseURL, model: 'm' }).chat(question).message();
    expect(message.toolCalls).toEqual([
      { id: 'a', name: 'f', arguments: '{"x":1}' },
      { id: 'b', name: 'g', arguments: '{}' },
    ]);
  });

  test('a call without an id gets one', async () => {
    await using server = await serve(
      stream(chunks(toolCall({ index: 0, function: { name: 'f', arguments: '{}' } }, 'tool_calls'))),
    );
    const message = await createClient({ baseURL: server.baseURL, model: 'm' }).chat(question).message();
    expect(message.toolCalls).toEqual([
      { id: expect.stringMatching(/^call_[0-9a-f]{24}$/), name: 'f', arguments: '{}' },
    ]);
  });

  test('a call without a name is an error', async () => {
    await using server = await serve(
      stream(chunks(toolCall({ index: 0, id: 'a', function: { arguments: '{}' } }, 'tool_calls'))),
    );
    const stopped = createClient({ baseURL: server.baseURL, model: 'm' }).chat(question).message();
    await expect(stopped).rejects.toMatchObject({ code: 'stream-malformed' });
  });

  test('both names of reasoning in one delta count once', async () => {
    await using server = await serve(
      stream(chunks(delta({ reasoning: 'Hm.', reasoning_content: 'Hm.' }), delta({ content: 'Yes' }, 'stop'))),
    );
    const message = await createClient({ baseURL: server.baseURL, model: 'm' }).chat(question).message();
    expect(message).toEqual({ role: 'assistant', reasoning: 'Hm.', content: 'Yes' });
  });

  test('[DONE] may be missing after a finish_reason, a finish_reason before [DONE]', async () => {
    const missing = `data: ${JSON.stringify(delta({ content: 'Yes' }, 'length'))}\n\n`;
    await using server = await serve(stream(missing), stream(chunks(delta({ content: 'Yes' }))));
    const model = createClient({ baseURL: server.baseURL, model: 'm' });
    expect((await eventsOf(model)).at(-1)).toMatchObject({ type: 'finish', reason: 'length' });
    expect((await eventsOf(model)).at(-1)).toMatchObject({ type: 'finish', reason: 'stop' });
  });
});

describe('the request', () => {
  const answer = stream(chunks(delta({ content: 'ok' }, 'stop')));
  const full = {
    ...question,
    tools: [{ name: 'f', description: 'does', parameters: { type: 'object', properties: {} } }],
    toolChoice: { name: 'f' },
    thinking: true,
    maxTokens: 100,
    sampling: { temperature: 0.5, topP: 0.9 },
    stop: ['\n'],
  };

  test('in the spelling of the MiMo platform', async () => {
    await using server = await serve(answer);
    await createClient({ baseURL: server.baseURL, model: 'mimo-v2-flash', preset: 'mimo', apiKey: 'k' })
      .chat(full)
      .message();
    expect(server.received[0]).toMatchObject({ method: 'POST', url: '/v1/chat/completions' });
    expect(server.received[0]!.headers['api-key']).toBe('k');
    expect(server.received[0]!.headers['authorization']).toBeUndefined();
    expect(server.received[0]!.body).toEqual({
      model: 'mimo-v2-flash',
      messages: question.messages,
      tools: [{ type: 'function', function: full.tools[0] }],
      tool_choice: { type: 'function', function: { name: 'f' } },
      thinking: { type: 'enabled' },
      max_completion_tokens: 100,
      temperature: 0.5,
      top_p: 0.9,
      stop: ['\n'],
      stream: true,
      stream_options: { include_usage: true },
    });
  });

  test('in the narrow spelling of the openai preset, at most four stop texts', async () => {
    await using server = await serve(answer);
    const model = createClient({ baseURL: server.baseURL, model: 'm', preset: 'openai' });
    await model.chat({ ...question, thinking: false, seed: 7, stop: ['a', 'b', 'c', 'd'] }).message();
    expect(server.received[0]!.body).toEqual({
      model: 'm',
      messages: question.messages,
      reasoning_effort: 'none',
      seed: 7,
      stop: ['a', 'b', 'c', 'd'],
      stream: true,
      stream_options: { include_usage: true },
    });
    const fifth = model.chat({ ...question, stop: ['a', 'b', 'c', 'd', 'e'] }).message();
    await expect(fifth).rejects.toMatchObject({ code: 'invalid-argument', details: { field: 'stop' } });
    const foreign = model.chat({ ...question, sampling: { topK: 5 } }).message();
    await expect(foreign).rejects.toMatchObject({ code: 'invalid-argument', details: { field: 'topK' } });
  });

  test('in the spelling of an engine, with a bearer key and fields of the caller', async () => {
    await using server = await serve(answer);
    const model = createClient({
      baseURL: `${server.baseURL}/`,
      model: 'm',
      preset: 'llama.cpp',
      apiKey: 'k',
      headers: { 'X-Team': 'a' },
      extraBody: { return_progress: true },
    });
    await model
      .chat({ ...question, thinking: false, maxTokens: 9, seed: 7, sampling: { topK: 20, repetitionPenalty: 1.1 } })
      .message();
    expect(server.received[0]!.headers).toMatchObject({ authorization: 'Bearer k', 'x-team': 'a' });
    expect(server.received[0]!.body).toMatchObject({
      chat_template_kwargs: { enable_thinking: false },
      max_tokens: 9,
      seed: 7,
      top_k: 20,
      repeat_penalty: 1.1,
      return_progress: true,
    });
  });

  test('what the server does not know is refused, not left out', async () => {
    const model = createClient({ model: 'mimo-v2-flash' });
    for (const extra of [{ sampling: { topK: 5 } }, { seed: 1 }, { stop: ['a', 'b', 'c', 'd', 'e'] }]) {
      await expect(model.chat({ ...question, ...extra }).message()).rejects.toMatchObject({ code: 'invalid-argument' });
    }
  });

  test('arguments that are no JSON do not spoil the history', async () => {
    await using server = await serve(answer);
    const broken: AssistantMessage = {
      role: 'assistant',
      content: '',
      toolCalls: [{ id: 'a', name: 'f', arguments: '{"x": ' }],
    };
    await createClient({ baseURL: server.baseURL, model: 'm' })
      .chat({ messages: [...question.messages, broken] })
      .message();
    expect(server.received[0]!.body.messages[1]).toEqual({
      role: 'assistant',
      content: null,
      tool_calls: [
        { id: 'a', type: 'function', function: { name: 'f', arguments: '{"invalid_arguments":"{\\"x\\": "}' } },
      ],
    });
  });

  test('lone surrogates, empty reasoning and long integers arrive as they were', async () => {
    await using server = await serve(answer);
    const odd: AssistantMessage[] = [
      {
        role: 'assistant',
        reasoning: '\ud83d </think>\u0000',
        content: '',
        toolCalls: [{ id: 'a', name: 'f', arguments: '{"n": 12345678901234567890, "x": 1.0}' }],
      },
      { role: 'assistant', reasoning: '', content: 'b' },
    ];
    await createClient({ baseURL: server.baseURL, model: 'm' }).chat({ messages: odd }).message();
    const [first, second] = server.received[0]!.body.messages;
    expect(first!['reasoning_content']).toBe(odd[0]!.reasoning);
    expect(first!['tool_calls']).toMatchObject([{ function: { arguments: odd[0]!.toolCalls![0]!.arguments } }]);
    expect(second!['reasoning_content']).toBe('');
  });

  test('a baseURL that is none is an error at once', () => {
    for (const baseURL of ['localhost:30000', 'ftp://x/v1', '']) {
      expect(() => createClient({ baseURL, model: 'm' })).toThrow(
        expect.objectContaining({ code: 'invalid-argument' }),
      );
    }
  });
});
