// How a tool loop ends before its answer: limits, cuts, errors, aborts, leaving; and how another loop goes on from there.
import type { ChatModel, Message, StreamEvent } from '@mimokit/protocol';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { createClient } from '../src/index.ts';
import { runTools, tool, type ToolLoopEvent } from '../src/run-tools.ts';
import { scripted } from './scripted.ts';
import { delta, serve, stream } from './server.ts';

const question: Message[] = [{ role: 'user', content: 'Weather?' }];
const weather = tool({
  name: 'get_weather',
  parameters: z.object({ city: z.string(), days: z.number().int().default(1) }),
  execute: ({ city, days }) => ({ city, days, sky: 'clear' }),
});
const askWeather = { id: 'a', name: 'get_weather', arguments: '{"city":"Zürich"}' };

async function eventsOf(loop: AsyncIterable<ToolLoopEvent>): Promise<ToolLoopEvent[]> {
  const events: ToolLoopEvent[] = [];
  for await (const event of loop) events.push(event);
  return events;
}

function results(events: readonly ToolLoopEvent[]): (ToolLoopEvent & { type: 'tool-result' })[] {
  return events.filter((event) => event.type === 'tool-result');
}

describe('limits and going on', () => {
  test('too many steps are tool-loop-limit, and the messages go on in another loop', async () => {
    const loop = runTools(scripted({ calls: [askWeather] }), { messages: question, tools: [weather], maxSteps: 3 });
    await expect(loop.message()).rejects.toMatchObject({ code: 'tool-loop-limit' });
    expect(loop.messages.map(({ role }) => role)).toEqual([
      'user',
      'assistant',
      'tool',
      'assistant',
      'tool',
      'assistant',
    ]);
    const stored = JSON.parse(JSON.stringify(loop.messages));
    const events = await eventsOf(runTools(scripted({ content: 'ok' }), { messages: stored, tools: [weather] }));
    expect(events.map(({ type }) => type)).toEqual([
      'tool-result',
      'step-start',
      'text-delta',
      'step-finish',
      'finish',
    ]);
  });

  test('only the unanswered calls run when a loop goes on', async () => {
    const calls = ['a', 'b', 'c'].map((id) => ({ ...askWeather, id }));
    const messages: Message[] = [
      ...question,
      { role: 'assistant', content: '', toolCalls: calls },
      { role: 'tool', content: 'x', toolCallId: 'b' },
    ];
    const loop = runTools(scripted({ content: 'ok' }), { messages, tools: [weather] });
    expect(results(await eventsOf(loop)).map((one) => one.call.id)).toEqual(['a', 'c']);
    expect(loop.messages.map((one) => (one.role === 'tool' ? one.toolCallId : one.role))).toEqual([
      'user',
      'assistant',
      'b',
      'a',
      'c',
      'assistant',
    ]);
  });

  test('a cut answer runs nothing', async () => {
    const loop = runTools(scripted({ calls: [askWeather], reason: 'length' }), {
      messages: question,
      tools: [weather],
    });
    const events = await eventsOf(loop);
    expect(results(events)).toEqual([]);
    expect(events.at(-1)).toMatchObject({ type: 'finish', reason: 'length' });
  });

  test("a model's error is thrown, and what there was stays in messages", async () => {
    const model = scripted({ calls: [askWeather] }, new Error('gone'));
    const loop = runTools(model, { messages: question, tools: [weather] });
    await expect(eventsOf(loop)).rejects.toThrow('gone');
    expect(loop.messages.map(({ role }) => role)).toEqual(['user', 'assistant', 'tool']);
  });

  test('two tools of one name, a limit below one, and a stream without finish are refused', async () => {
    const model = scripted({ content: 'ok' });
    expect(() => runTools(model, { messages: question, tools: [weather, weather] })).toThrow(
      expect.objectContaining({ code: 'invalid-tool' }),
    );
    expect(() => runTools(model, { messages: question, tools: [], maxSteps: 0 })).toThrow(
      expect.objectContaining({ code: 'invalid-argument' }),
    );
    const endless: ChatModel = {
      modelId: 'x',
      chat: () => ({ ...empty(), message: () => Promise.reject(new Error('x')) }),
    };
    await expect(runTools(endless, { messages: question, tools: [] }).message()).rejects.toMatchObject({
      code: 'stream-malformed',
    });
  });
});

describe('stopping', () => {
  test('while tools run: their signals abort, finished results stay, the rest runs when the loop goes on', async () => {
    const stop = new AbortController();
    let aborted = false;
    const hang = tool({
      name: 'hang',
      execute: (_, { signal }) => {
        signal.addEventListener('abort', () => (aborted = true));
        return new Promise(() => undefined);
      },
    });
    const calls = [{ id: 'h', name: 'hang', arguments: '{}' }, askWeather];
    const loop = runTools(scripted({ calls }), { messages: question, tools: [weather, hang], signal: stop.signal });
    const events: ToolLoopEvent[] = [];
    for await (const event of loop) {
      events.push(event);
      if (event.type === 'tool-result') stop.abort();
    }
    expect(aborted).toBe(true);
    expect(events.at(-1)).toMatchObject({ type: 'finish', reason: 'aborted', message: { toolCalls: calls } });
    expect(await loop.result()).toMatchObject({ reason: 'aborted', steps: 1 });
    expect(loop.messages.at(-1)).toMatchObject({ role: 'tool', toolCallId: 'a' });
    const later = runTools(scripted({ content: 'ok' }), {
      messages: loop.messages,
      tools: [weather, tool({ name: 'hang', execute: () => 'now' })],
    });
    expect(results(await eventsOf(later)).map((one) => [one.call.id, one.content])).toEqual([['h', 'now']]);
  });

  test('while the model answers: what there was comes out, the messages stay whole', async () => {
    const stop = new AbortController();
    await using server = await serve(
      stream(`data: ${JSON.stringify(delta({ reasoning_content: 'Hm', content: 'He' }))}\n\n`, { end: 'hold' }),
    );
    const loop = runTools(createClient({ baseURL: server.baseURL, model: 'm' }), {
      messages: question,
      tools: [weather],
      signal: stop.signal,
    });
    for await (const event of loop) if (event.type === 'text-delta') stop.abort();
    expect(await loop.result()).toMatchObject({
      reason: 'aborted',
      message: { reasoning: 'Hm', content: 'He' },
      messages: question,
    });
    await expect(loop.message()).rejects.toMatchObject({ code: 'aborted' });
    await server.closed(0);
  });

  test('leaving the loop stops model and tools', async () => {
    let signal: AbortSignal | undefined;
    const hang = tool({
      name: 'get_weather',
      execute: (_, context) => {
        signal = context.signal;
        return new Promise(() => undefined);
      },
    });
    const calls = [askWeather, { id: 'n', name: 'nope', arguments: '{}' }];
    const loop = runTools(scripted({ calls }), { messages: question, tools: [hang] });
    for await (const event of loop) if (event.type === 'tool-result') break;
    expect(signal?.aborted ?? true).toBe(true);
    await expect(loop.result()).rejects.toMatchObject({ code: 'aborted' });
  });

  test('a signal that is aborted already asks nobody', async () => {
    const model = scripted({ content: 'ok' });
    const events = await eventsOf(
      runTools(model, { messages: question, tools: [weather], signal: AbortSignal.abort() }),
    );
    expect(events).toMatchObject([{ type: 'finish', reason: 'aborted' }]);
    expect(model.requests).toEqual([]);
  });
});

function empty(): AsyncIterable<StreamEvent> {
  return { async *[Symbol.asyncIterator]() {} };
}
