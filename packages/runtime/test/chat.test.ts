// The chat over an engine that answers what the test wrote: how ids become events, ends and counts.
import { createChatTemplate } from '@mimokit/chat-template';
import {
  type ChatRequest,
  type GenerateEvent,
  type GenerateRequest,
  isMimoError,
  type StreamEvent,
} from '@mimokit/protocol';
import { loadMimoTokenizer } from '@mimokit/tokenizer/mimo';
import { openEncodePool } from '@mimokit/tokenizer/pool';
import { describe, expect, test } from 'vitest';
import { createChat, createEngine, type Engine, type PromptEncoder } from '../src/index.ts';
import { MockRunner } from '../src/testing/index.ts';

const tokenizer = await loadMimoTokenizer();
const end = tokenizer.specialTokens.get('<|im_end|>')!;
const tools = [
  {
    name: 'add',
    description: 'Adds.',
    parameters: { type: 'object', properties: { a: { type: 'integer' }, b: { type: 'integer' } } },
  },
];
const user = { messages: [{ role: 'user' as const, content: 'Hello' }] };
const call =
  '<tool_call>\n<function=add>\n<parameter=a>1</parameter>\n<parameter=b>2</parameter>\n</function>\n</tool_call>';

/** An engine that emits the ids of a text, the first alone, then `burst` at a time, and stops when it is aborted. */
function scripted(
  text: string,
  { burst = 1, stops = true, encoder }: { burst?: number; stops?: boolean; encoder?: PromptEncoder } = {},
) {
  const requests: GenerateRequest[] = [];
  const ids = [...tokenizer.encode(text), ...(stops ? [end] : [])];
  const engine: Engine = {
    ...createEngine({ runner: new MockRunner({ vocabSize: tokenizer.vocabSize }) }),
    info: { ...new MockRunner().info, eosTokenIds: [end] },
    async *generate(request): AsyncIterable<GenerateEvent> {
      requests.push(request);
      const acceptLengths: number[] = [];
      let completionTokens = 0;
      let reason: 'stop' | 'length' | 'aborted' = stops ? 'stop' : 'length';
      for (let at = 0, count = 1; at < ids.length; at += count, count = burst) {
        await new Promise((resolve) => setImmediate(resolve));
        if (request.signal?.aborted === true) {
          reason = 'aborted';
          break;
        }
        const part = ids.slice(at, at + count);
        if (at > 0) acceptLengths.push(part.length);
        completionTokens += part.length;
        const logprobs = part.map((id) => ({ id, logprob: -id / 1000, rivals: [{ id: end, logprob: -9 }] }));
        yield { type: 'tokens', ids: part, ...(request.topLogprobs !== undefined && { logprobs }) };
      }
      const promptTokens = request.ids.length;
      yield {
        type: 'finish',
        reason,
        usage: { promptTokens, cachedTokens: 3, completionTokens, reasoningTokens: 0, acceptLengths },
      };
    },
  };
  const template = createChatTemplate('mimo-v2-flash');
  const chat = createChat({ engine, tokenizer, template, encoder, modelId: 'scripted' });
  return { chat, requests };
}

async function read(text: string, request: Partial<ChatRequest> = {}, options: Parameters<typeof scripted>[1] = {}) {
  const { chat } = scripted(text, options);
  const events: StreamEvent[] = [];
  for await (const event of chat.chat({ ...user, ...request })) events.push(event);
  const finish = events.at(-1)!;
  if (finish.type !== 'finish') throw new Error('no finish');
  const joined = (type: 'text-delta' | 'reasoning-delta') =>
    events.map((event) => (event.type === type ? event.text : '')).join('');
  return { events, finish, text: joined('text-delta'), reasoning: joined('reasoning-delta') };
}

describe('events', () => {
  test('text comes as it is generated, whole characters only, however many ids come at once', async () => {
    for (const burst of [1, 2, 5]) {
      const { text, events, finish } = await read('Grüße, 世界 👩‍🚀!', {}, { burst });
      expect(text).toBe('Grüße, 世界 👩‍🚀!');
      expect(events.length).toBeGreaterThan(3);
      for (const event of events) if (event.type === 'text-delta') expect(event.text).not.toContain('\ufffd');
      expect(finish).toMatchObject({ reason: 'stop', message: { role: 'assistant', content: text } });
    }
  });

  test('reasoning is apart, byte for byte, and its tokens are counted', async () => {
    const { text, reasoning, finish } = await read('<think> hm,\n so. </think>Yes.', { thinking: true });
    expect(reasoning).toBe(' hm,\n so. ');
    expect(text).toBe('Yes.');
    expect(finish.message).toMatchObject({ reasoning, content: 'Yes.' });
    expect(finish.usage.reasoningTokens).toBe(tokenizer.count(' hm,\n so. '));
    expect(finish.usage).toMatchObject({
      cachedTokens: 3,
      completionTokens: tokenizer.count('<think> hm,\n so. </think>Yes.') + 1,
    });
  });

  test('calls are typed and give reason tool-calls', async () => {
    const { events, finish } = await read(`Well. ${call}`, { tools });
    expect(events.map(({ type }) => type)).toContain('tool-input-start');
    expect(finish).toMatchObject({
      reason: 'tool-calls',
      message: { toolCalls: [{ name: 'add', arguments: '{"a":1,"b":2}' }] },
    });
  });

  test("with toolChoice 'none' the model sees no tools and calls none", async () => {
    const { chat, requests } = scripted(call);
    const message = await chat.chat({ ...user, tools, toolChoice: 'none' }).message();
    expect(message).toEqual({ role: 'assistant', content: call });
    expect(tokenizer.decode(requests[0].ids)).not.toContain('Adds.');
  });

  test('an answer cut by maxTokens says so', async () => {
    const { finish } = await read('<think>still', { thinking: true }, { stops: false });
    expect(finish).toMatchObject({ reason: 'length', message: { reasoning: 'still', content: '' } });
  });
});

describe('stop strings', () => {
  test('cut the content exactly, and the counts with it', async () => {
    for (const burst of [1, 3]) {
      const { text, finish } = await read('one two END three four five six', { stop: [' END', 'never'] }, { burst });
      expect(text).toBe('one two');
      expect(finish).toMatchObject({ reason: 'stop', message: { content: 'one two' }, stopText: ' END' });
      expect(finish.usage.completionTokens).toBe(tokenizer.count('one two END'));
      expect(finish.usage.acceptLengths!.reduce((a, b) => a + b, 0)).toBe(finish.usage.completionTokens - 1);
    }
  });

  test('do not look into reasoning, and do not reach across a call', async () => {
    const { finish } = await read(`<think>END</think>E${call}ND`, { stop: ['END'], tools, thinking: true });
    expect(finish.message).toMatchObject({ reasoning: 'END', content: expect.stringContaining('ND') });
    expect(finish.message.toolCalls).toHaveLength(1);
  });

  test('calls before the stop string are delivered, later ones are not', async () => {
    const { finish, events } = await read(`${call}\nEND${call}`, { stop: ['END'], tools });
    expect(finish.reason).toBe('tool-calls');
    expect(finish.message.toolCalls).toHaveLength(1);
    expect(events.filter(({ type }) => type === 'tool-call')).toHaveLength(1);
  });

  test('text that only might have been one is delivered', async () => {
    expect((await read('one EN', { stop: ['END'] })).text).toBe('one EN');
  });

  test('an empty one is refused', async () => {
    await expect(read('x', { stop: [''] })).rejects.toMatchObject({ code: 'invalid-argument' });
  });
});

describe('log-probabilities', () => {
  test('come with the text they belong to, tags and calls left out, however the text was cut', async () => {
    const text = `<think>So é.</think>Grüße 👩‍🚀 STO, ${call}`;
    for (const burst of [1, 4]) {
      const request = { thinking: true, tools, stop: ['STOP'], topLogprobs: 1 };
      const { events } = await read(text, request, { burst });
      const ids: Record<string, number[]> = { 'reasoning-delta': [], 'text-delta': [] };
      for (const event of events) {
        if (event.type !== 'reasoning-delta' && event.type !== 'text-delta') continue;
        for (const { id, text: own, logprob, rivals } of event.logprobs!) {
          ids[event.type].push(id);
          expect(logprob).toBe(-id / 1000);
          expect(own).toBe(tokenizer.decode([id]));
          expect(rivals).toEqual([{ id: end, text: '<|im_end|>', logprob: -9 }]);
        }
      }
      expect(tokenizer.decode(ids['reasoning-delta'])).toBe('So é.');
      expect(tokenizer.decode(ids['text-delta'])).toBe('Grüße 👩‍🚀 STO, ');
    }
  });

  test('are not asked for by default; bias and their number are passed on', async () => {
    const { chat, requests } = scripted('Hi.');
    const bias = new Map([[7, -1]]);
    await chat.chat({ ...user, bias, topLogprobs: 3 }).message();
    await chat.chat(user).message();
    expect(requests[0]).toMatchObject({ bias, topLogprobs: 3 });
    expect(requests[1]).not.toHaveProperty('topLogprobs');
  });
});

describe('the stream', () => {
  test('message() runs it alone, joins a loop, and may be asked again', async () => {
    const { chat } = scripted('Hi.');
    const alone = chat.chat(user);
    expect(await alone.message()).toEqual({ role: 'assistant', content: 'Hi.' });
    expect((await alone.message()).content).toBe('Hi.');
    const both = chat.chat(user);
    const joined = (async () => {
      for await (const event of both) void event;
    })();
    expect((await both.message()).content).toBe('Hi.');
    await joined;
  });

  test('runs once', async () => {
    const stream = scripted('Hi.').chat.chat(user);
    await stream.message();
    expect(() => stream[Symbol.asyncIterator]()).toThrow(/read already/);
  });

  test('an abort ends it with what there was, and rejects message()', async () => {
    const controller = new AbortController();
    const { chat } = scripted('one two three four five six seven');
    const stream = chat.chat({ ...user, signal: controller.signal });
    let finish: StreamEvent | undefined;
    for await (const event of stream) {
      finish = event;
      if (event.type === 'text-delta' && event.text.includes('three')) controller.abort();
    }
    expect(finish).toMatchObject({ type: 'finish', reason: 'aborted', message: { content: 'one two three' } });
    const error = await stream.message().catch((caught: unknown) => caught);
    expect(isMimoError(error, 'aborted') && error.details.partial).toEqual({
      role: 'assistant',
      content: 'one two three',
    });
  });

  test('leaving the loop cancels the engine', async () => {
    const { chat, requests } = scripted('one two three four five');
    const stream = chat.chat(user);
    for await (const event of stream) if (event.type === 'text-delta') break;
    expect(requests[0].signal?.aborted).toBe(true);
    await expect(stream.message()).rejects.toMatchObject({ code: 'aborted' });
  });

  test('a bad message or a tool that is not there is refused in the stream', async () => {
    const { chat } = scripted('Hi.');
    await expect(chat.chat({ messages: [] }).message()).rejects.toMatchObject({ code: 'invalid-message' });
    for (const request of [
      { ...user, toolChoice: 'required' as const },
      { ...user, tools, toolChoice: { name: 'rm' } },
    ]) {
      await expect(chat.chat(request).message()).rejects.toMatchObject({
        code: 'invalid-argument',
        details: { field: 'toolChoice' },
      });
    }
  });
});

describe('prompts', () => {
  test('what the user wrote never becomes a special token', () => {
    const { chat } = scripted('');
    const { text, ids } = chat.render({ messages: [{ role: 'user', content: '<|im_end|>' }] });
    expect(text).toContain('<|im_end|>');
    const plain = chat.render({ messages: [{ role: 'user', content: '' }] });
    const count = (list: Int32Array) => list.filter((id) => id === end).length;
    expect(count(ids)).toBe(count(plain.ids));
  });

  test('a turn that comes back is continued with the ids the model produced', async () => {
    // The model may split words as the tokenizer never would.
    const odd = [
      ...tokenizer.encode('Hel'),
      ...tokenizer.encode('lo'),
      ...tokenizer.encode(' wor'),
      ...tokenizer.encode('ld'),
    ];
    const { chat } = scripted('');
    const prompts: number[][] = [];
    const source = createChat({
      engine: {
        ...createEngine({ runner: new MockRunner() }),
        info: { ...new MockRunner().info, eosTokenIds: [end] },
        async *generate(request): AsyncIterable<GenerateEvent> {
          prompts.push(Array.from(request.ids));
          yield { type: 'tokens', ids: [...odd, end] };
          const usage = { promptTokens: 1, cachedTokens: 0, completionTokens: odd.length + 1, reasoningTokens: 0 };
          yield { type: 'finish', reason: 'stop', usage };
        },
      },
      tokenizer,
      template: createChatTemplate('mimo-v2-flash'),
    });
    const first = await source.chat(user).message();
    expect(first.content).toBe('Hello world');
    const next = { messages: [...user.messages, first, { role: 'user' as const, content: '<think>?' }] };
    const { text, ids } = source.render(next);
    const prompt = [...prompts[0], ...odd, end];
    expect(Array.from(ids.slice(0, prompt.length))).toEqual(prompt);
    // Same text, other ids than a tokenizer that does not remember; and what follows is read as before.
    const canonical = chat.render(next);
    expect(canonical.text).toBe(text);
    expect(tokenizer.decode(ids)).toBe(text);
    const rest = ids.slice(prompt.length);
    expect(rest).toEqual(canonical.ids.slice(-rest.length));
  });

  test('a long one is encoded by the encoder, with the same ids; a short one is not sent to it', async () => {
    await using pool = await openEncodePool('mimo', { threads: 1 });
    const sent: string[] = [];
    const encoder: PromptEncoder = {
      encode: (text, options) => {
        sent.push(text);
        return pool.encode(text, options);
      },
    };
    const { chat, requests } = scripted('Hi.', { encoder });
    const long = { messages: [{ role: 'user' as const, content: 'word <|im_end|> 字 '.repeat(10_000) }] };
    for (const request of [user, long]) {
      await chat.chat(request).message();
      expect(requests.at(-1)!.ids).toEqual(scripted('').chat.render(request).ids);
    }
    expect(sent).toEqual([chat.render(long).text]);
    const signal = AbortSignal.abort();
    await expect(chat.chat({ ...long, signal }).message()).rejects.toMatchObject({ code: 'aborted' });
  });
});
