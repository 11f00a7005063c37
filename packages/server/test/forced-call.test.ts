// toolChoice `required` and by name, on nano: the answer is a call whatever was said.
import { demoTools } from '@mimokit/nano';
import type { ChatRequest, StreamEvent } from '@mimokit/protocol';
import type { LocalModel } from '@mimokit/runtime';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openNano } from './nano.ts';

let model: LocalModel;
beforeAll(async () => {
  model = await openNano({ verify: true });
});
afterAll(() => model.dispose());

const tools = demoTools.map((tool) => ({ ...tool }));
const hello: ChatRequest = { messages: [{ role: 'user', content: 'Hello!' }], tools, maxTokens: 120 };

async function finishOf(
  request: ChatRequest,
): Promise<{ events: StreamEvent[]; last: StreamEvent & { type: 'finish' } }> {
  const events: StreamEvent[] = [];
  for await (const event of model.chat(request)) events.push(event);
  const last = events.at(-1);
  if (last?.type !== 'finish') throw new Error('no finish');
  return { events, last };
}

describe('a forced call', () => {
  test('left to itself the model answers a greeting in words', async () => {
    expect((await finishOf(hello)).last.message.toolCalls).toBeUndefined();
  });

  test.each([true, false])('`required` gives a call, and no text beside it (thinking: %s)', async (thinking) => {
    const { events, last } = await finishOf({ ...hello, toolChoice: 'required', thinking });
    expect(last.reason).toBe('tool-calls');
    expect(last.message.toolCalls!.length).toBeGreaterThanOrEqual(1);
    expect(last.message.content).toBe('');
    expect(events.map(({ type }) => type)).not.toContain('text-delta');
  });

  test.each(tools.map(({ name }) => name))('a name gives a call of that tool: %s', async (name) => {
    const { last } = await finishOf({ ...hello, toolChoice: { name } });
    expect(last.message.toolCalls?.map((call) => call.name)).toEqual([name]);
    expect(JSON.parse(last.message.toolCalls![0].arguments)).toBeTypeOf('object');
  });

  test('the model picks the tool that fits among several', async () => {
    const ask = async (content: string): Promise<string | undefined> => {
      const { last } = await finishOf({ ...hello, messages: [{ role: 'user', content }], toolChoice: 'required' });
      return last.message.toolCalls?.[0]?.name;
    };
    expect(await ask('What is 37 * 12?')).toBe('calculator');
    expect(await ask('Convert 5 miles to kilometers.')).toBe('convert_units');
  });

  test('the opening counts as part of the answer, not of the prompt', async () => {
    const plain = await finishOf(hello);
    const forced = await finishOf({ ...hello, toolChoice: { name: 'clock' } });
    expect(forced.last.usage.promptTokens).toBe(plain.last.usage.promptTokens);
    expect(forced.last.usage.completionTokens).toBeGreaterThan(8);
  });

  test('maxTokens still cuts it, and says so', async () => {
    const { last } = await finishOf({ ...hello, toolChoice: { name: 'clock' }, maxTokens: 12 });
    expect(last).toMatchObject({ reason: 'length' });
  });

  test('nothing to call, or no such tool, is refused by name', async () => {
    await expect(finishOf({ messages: hello.messages, toolChoice: 'required' })).rejects.toMatchObject({
      code: 'invalid-argument',
      details: { field: 'toolChoice' },
    });
    await expect(finishOf({ ...hello, toolChoice: { name: 'rm' } })).rejects.toMatchObject({
      code: 'invalid-argument',
    });
  });
});
