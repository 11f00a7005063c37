// A thinking budget and a forced call, on a small trained model and every runner that is here: what is promised holds, and
// nothing of it depends on drafts, chunks or other requests.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { ChatRequest, StreamEvent } from '@mimokit/protocol';
import { describe, expect, test } from 'vitest';
import { fixedDraftDepth, type LocalModel, openModel, type OpenModelOptions } from '../src/index.ts';
import { loadRunners } from './runners.ts';

const nano = fileURLToPath(new URL('../../nano/', import.meta.url));
const hasNano = existsSync(`${nano}model.safetensors`) && existsSync(`${nano}tokenizer.json`);
const { runners } = await loadRunners();

const city = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };
const tools = ['get_weather', 'get_time', 'get', 'vendor.get-time:2'].map((name) => ({ name, parameters: city }));
const ask = (content: string): Pick<ChatRequest, 'messages' | 'tools'> => ({
  messages: [{ role: 'user', content }],
  tools,
});

describe.skipIf(!hasNano).each(runners)('over the $name runner', ({ name, open }) => {
  const withModel = async (check: (model: LocalModel) => Promise<void>, parts: Partial<OpenModelOptions> = {}) => {
    const runner: OpenModelOptions['runner'] = (directory, options) =>
      open(directory, { ...options, threads: 1, blocks: 120, windows: 8 });
    await using model = await openModel(nano, { verify: true, ...parts, runner });
    await check(model);
  };
  const run = async (model: LocalModel, request: ChatRequest) => {
    let finish: StreamEvent | undefined;
    for await (const event of model.chat({ maxTokens: 90, ...request })) finish = event;
    if (finish?.type !== 'finish') throw new Error('no finish');
    // Ids of calls are random.
    const calls = finish.message.toolCalls?.map((call) => ({ ...call, id: '' })) ?? [];
    return { ...finish, calls };
  };

  test("toolChoice 'required' gets a call where the model would only have talked", () =>
    withModel(async (model) => {
      const free = await run(model, ask('Hello!'));
      expect(free.calls).toEqual([]);
      const forced = await run(model, { ...ask('Hello!'), toolChoice: 'required' });
      expect(forced.reason).toBe('tool-calls');
      expect(tools.map((tool) => tool.name)).toContain(forced.calls[0].name);
      expect(forced.message.content).toBe('');
    }));

  test('a tool by name is called, whatever its name, and the answer ends with the call', () =>
    withModel(async (model) => {
      for (const tool of tools) {
        const { reason, calls, message } = await run(model, { ...ask('Hello!'), toolChoice: { name: tool.name } });
        expect(reason).toBe('tool-calls');
        expect(calls.map((call) => call.name)).toEqual([tool.name]);
        expect(Object.keys(JSON.parse(calls[0].arguments))).toEqual(['city']);
        expect(message.content).toBe('');
      }
    }));

  test('a tool without parameters is called without', () =>
    withModel(async (model) => {
      const ping = { name: 'ping' };
      const { calls } = await run(model, { ...ask('Hello!'), tools: [ping], toolChoice: 'required' });
      expect(calls[0]).toMatchObject({ name: 'ping', arguments: '{}' });
    }));

  test('a call is forced after the reasoning where the model thinks first', () =>
    withModel(async (model) => {
      const { message, calls } = await run(model, {
        ...ask('What is the weather in Paris?'),
        toolChoice: 'required',
        thinking: true,
      });
      expect(message.reasoning).not.toBe('');
      expect(calls[0].name).toBe('get_weather');
    }));

  test.each([0, 1, 3])('a thinking budget of %i closes the reasoning, and the model goes on to answer', (budget) =>
    withModel(async (model) => {
      const request = { messages: ask('What is the weather in Paris?').messages, thinking: true };
      const free = await run(model, request);
      expect(free.usage.reasoningTokens).toBeGreaterThan(3);
      const { usage, reason, message } = await run(model, { ...request, thinkingBudget: budget });
      expect(usage.reasoningTokens).toBe(budget);
      expect(reason).toBe('stop');
      expect(message.content).not.toBe('');
      expect(free.message.reasoning!.startsWith(message.reasoning ?? '')).toBe(true);
    }),
  );

  test('a budget that is not reached, or thinking that is off, changes nothing', () =>
    withModel(async (model) => {
      const { messages } = ask('What is 3 + 4?');
      for (const thinking of [true, false]) {
        const free = await run(model, { messages, thinking });
        expect((await run(model, { messages, thinking, thinkingBudget: 80 })).message).toEqual(free.message);
      }
    }));

  test('drafts, chunks, neighbours and sampling make no difference', async () => {
    const requests: ChatRequest[] = [
      { ...ask('Hello!'), toolChoice: 'required', sampling: { temperature: 1.2 }, seed: 5 },
      { ...ask('Hello!'), toolChoice: { name: 'get' }, thinking: true, thinkingBudget: 2 },
      { ...ask('What time is it in Rome?'), thinking: true, thinkingBudget: 4 },
      { ...ask('Thank you!'), toolChoice: 'required', thinking: true, sampling: { temperature: 2 }, seed: 9 },
    ];
    const plain: unknown[] = [];
    // In TypeScript one of them, for time's sake.
    if (name === 'js') requests.splice(1);
    await withModel(
      async (model) => {
        for (const request of requests) plain.push(await answerOf(model, { ...request, mtp: false }));
      },
      { prefixCache: false },
    );
    const variants = [{ drafts: fixedDraftDepth(3) }, { drafts: fixedDraftDepth(3), tokenBudget: 13, maxRows: 3 }];
    for (const parts of name === 'js' ? variants.slice(1) : variants) {
      await withModel(async (model) => {
        expect(await Promise.all(requests.map((request) => answerOf(model, request)))).toEqual(plain);
      }, parts);
    }
    async function answerOf(model: LocalModel, request: ChatRequest): Promise<unknown> {
      const { calls, message, reason, usage } = await run(model, request);
      const { completionTokens, reasoningTokens } = usage;
      return {
        calls,
        content: message.content,
        reasoning: message.reasoning,
        reason,
        completionTokens,
        reasoningTokens,
      };
    }
  });

  test('impossible wishes are refused', () =>
    withModel(async (model) => {
      for (const wish of [
        { toolChoice: { name: 'nope' } },
        { toolChoice: 'required' as const, tools: [] },
        { thinkingBudget: -1 },
        { thinkingBudget: 0.5 },
      ]) {
        await expect(model.chat({ ...ask('Hi'), ...wish }).message()).rejects.toMatchObject({
          code: 'invalid-argument',
        });
      }
    }));
});
