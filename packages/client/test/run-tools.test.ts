// runTools over a scripted model and over HTTP: order, hooks, what the model is told, and reasoning on the wire.
import type { ChatRequest, Message } from '@mimokit/protocol';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { createClient } from '../src/index.ts';
import { runTools, tool, type ToolLoopEvent, type ToolLoopRequest } from '../src/run-tools.ts';
import { scripted } from './scripted.ts';
import { chunks, delta, serve, stream } from './server.ts';

const question: Message[] = [{ role: 'user', content: 'Weather?' }];
const weather = tool({
  name: 'get_weather',
  description: 'Weather of a city',
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

test('a call runs, its result goes to the model, the answer ends the loop', async () => {
  const model = scripted({ reasoning: ' hm\n', calls: [askWeather] }, { content: 'Clear.' });
  const loop = runTools(model, { messages: question, tools: [weather] });
  const events = await eventsOf(loop);
  const first = { role: 'assistant', reasoning: ' hm\n', content: '', toolCalls: [askWeather] };
  expect(events.filter((event) => !event.type.includes('input'))).toMatchObject([
    { type: 'step-start', step: 1 },
    { type: 'reasoning-delta', text: ' hm\n' },
    { type: 'tool-call', call: askWeather },
    { type: 'step-finish', step: 1, reason: 'tool-calls', message: first },
    { type: 'tool-result', call: askWeather, outcome: 'ok', content: '{"city":"Zürich","days":1,"sky":"clear"}' },
    { type: 'step-start', step: 2 },
    { type: 'text-delta', text: 'Clear.' },
    { type: 'step-finish', step: 2, reason: 'stop' },
    {
      type: 'finish',
      reason: 'stop',
      usage: { promptTokens: 20, completionTokens: 10 },
      message: { content: 'Clear.' },
    },
  ]);
  expect(await loop.result()).toMatchObject({ steps: 2, reason: 'stop', message: { content: 'Clear.' } });
  expect(loop.messages).toEqual([
    ...question,
    first,
    { role: 'tool', content: '{"city":"Zürich","days":1,"sky":"clear"}', toolCallId: 'a' },
    { role: 'assistant', content: 'Clear.' },
  ]);
  expect(model.requests[0]!.tools).toEqual([
    {
      name: 'get_weather',
      description: 'Weather of a city',
      parameters: {
        type: 'object',
        properties: { city: { type: 'string' }, days: { type: 'integer', default: 1 } },
        required: ['city'],
      },
    },
  ]);
});

test('over HTTP, the reasoning of every step comes back byte for byte', async () => {
  const thoughts = [' one\n\u2028 ', '</think> 二 \t', '\n'];
  const step = (index: number): string =>
    chunks(
      delta({ reasoning_content: thoughts[index]!.slice(0, 1) }),
      delta({ reasoning_content: thoughts[index]!.slice(1) }),
      delta(
        { tool_calls: [{ index: 0, id: `c${index}`, function: { name: 'get_weather', arguments: '{"city":"X"}' } }] },
        'tool_calls',
      ),
    );
  await using server = await serve(
    stream(step(0)),
    stream(step(1)),
    stream(step(2)),
    stream(chunks(delta({ content: 'Done' }, 'stop'))),
  );
  const model = createClient({ baseURL: server.baseURL, model: 'm', preset: 'mimo' });
  const message = await runTools(model, { messages: question, tools: [weather], thinking: true }).message();
  expect(message.content).toBe('Done');
  const last = server.received[3]!;
  expect(last.body.messages.filter(({ role }) => role === 'assistant').map((one) => one['reasoning_content'])).toEqual(
    thoughts,
  );
  for (const thought of thoughts) expect(last.text).toContain(`"reasoning_content":${JSON.stringify(thought)}`);
  expect(last.body.messages.map(({ role }) => role)).toEqual([
    'user',
    'assistant',
    'tool',
    'assistant',
    'tool',
    'assistant',
    'tool',
  ]);
  // What was sent before is sent again unchanged, so that the server's prefix cache hits.
  expect(last.body.messages.slice(0, 5)).toEqual(server.received[2]!.body.messages);
});

describe('several calls', () => {
  const calls = ['a', 'b', 'c'].map((id) => ({ id, name: 'wait', arguments: `{"id":"${id}"}` }));
  function waiting(log: string[], options: { concurrency?: number } = {}) {
    const releases = new Map<unknown, () => void>();
    const wait = tool({
      name: 'wait',
      ...options,
      execute: ({ id }) =>
        new Promise<string>((resolve) => {
          log.push(`start ${String(id)}`);
          releases.set(id, () => {
            log.push(`end ${String(id)}`);
            resolve(`${String(id)} done`);
          });
        }),
    });
    return { wait, releases };
  }

  test('run at once; results stand in the order of the calls, events in the order of the ends', async () => {
    const log: string[] = [];
    const { wait, releases } = waiting(log);
    const loop = runTools(scripted({ calls }, { content: 'ok' }), { messages: question, tools: [wait] });
    const ended: string[] = [];
    for await (const event of loop) {
      if (event.type === 'step-finish' && event.step === 1) {
        void until(() => releases.size === 3).then(() => releases.get('c')!());
      }
      if (event.type !== 'tool-result') continue;
      ended.push(event.call.id);
      releases.get({ c: 'a', a: 'b', b: '' }[event.call.id])?.();
    }
    expect(log.slice(0, 3)).toEqual(['start a', 'start b', 'start c']);
    expect(ended).toEqual(['c', 'a', 'b']);
    expect(loop.messages.flatMap((one) => (one.role === 'tool' ? [one.toolCallId] : []))).toEqual(['a', 'b', 'c']);
  });

  test.each([
    ['of the loop', {}, { concurrency: 1 }],
    ['of the tool', { concurrency: 1 }, {}],
  ])('one after another with a concurrency of 1 %s', async (_, ofTool, ofLoop) => {
    const log: string[] = [];
    const { wait, releases } = waiting(log, ofTool);
    const loop = runTools(scripted({ calls }, { content: 'ok' }), { messages: question, tools: [wait], ...ofLoop });
    const done = loop.message();
    for (const { id } of calls) {
      await until(() => releases.has(id));
      releases.get(id)!();
    }
    await done;
    expect(log).toEqual(['start a', 'end a', 'start b', 'end b', 'start c', 'end c']);
  });
});

describe('what goes wrong is told to the model', () => {
  async function told(call: object, extra: Partial<ToolLoopRequest> = {}) {
    const model = scripted({ calls: [{ id: 'a', name: 'get_weather', arguments: '{}', ...call }] }, { content: 'ok' });
    const loop = runTools(model, { messages: question, tools: [weather], ...extra });
    const [result] = results(await eventsOf(loop));
    expect(loop.messages[2]).toEqual({ role: 'tool', content: result!.content, toolCallId: 'a' });
    return { ...result!, history: loop.messages[1], model };
  }

  test('an unknown tool', async () => {
    const result = await told({ name: 'nope' });
    expect(result).toMatchObject({
      outcome: 'unknown',
      content: 'Error: there is no tool nope; there are get_weather.',
      error: { code: 'tool-unknown' },
    });
  });

  test('arguments that do not fit the schema', async () => {
    const result = await told({ arguments: '{"city": 5}' });
    expect(result).toMatchObject({ outcome: 'invalid', error: { code: 'tool-failed' } });
    expect(result.content).toContain('city: ');
  });

  test('arguments that are no JSON, which stand as an object in the history', async () => {
    const result = await told({ arguments: '{"city": "Zü' });
    expect(result).toMatchObject({
      outcome: 'invalid',
      content: 'Error: invalid arguments for get_weather: the arguments are not the JSON of an object.',
    });
    expect(result.history).toMatchObject({ toolCalls: [{ arguments: '{"invalid_arguments":"{\\"city\\": \\"Zü"}' }] });
  });

  test('an error that the tool throws, at once or later, and a result that is no JSON', async () => {
    const loops: object = {};
    Object.assign(loops, { loops });
    const failing = [
      () => {
        throw new Error('no network');
      },
      () => Promise.reject(new Error('no network')),
      () => loops,
      () => 10n,
    ];
    for (const execute of failing) {
      const result = await told({}, { tools: [tool({ name: 'get_weather', execute })] });
      expect(result).toMatchObject({
        outcome: 'failed',
        content: expect.stringMatching(/^Error: .+/),
        error: { code: 'tool-failed', cause: expect.any(Error) },
      });
    }
  });

  test('a tool that takes too long; its signal says so', async () => {
    let signal: AbortSignal | undefined;
    const slow = tool({
      name: 'get_weather',
      timeoutMs: 10,
      execute: (_, context) => {
        signal = context.signal;
        return new Promise(() => undefined);
      },
    });
    const result = await told({}, { tools: [slow] });
    expect(result).toMatchObject({ outcome: 'timeout', content: 'Error: get_weather gave no result within 10 ms.' });
    expect(signal!.aborted).toBe(true);
  });

  test('a call that was declined', async () => {
    const asked: string[] = [];
    const approve = (call: { name: string }) => {
      asked.push(call.name);
      return { approved: false, reason: 'not today' };
    };
    const result = await told({ arguments: '{"city":"X"}' }, { approve });
    expect(result).toMatchObject({ outcome: 'denied', content: 'The call of get_weather was declined: not today' });
    expect(asked).toEqual(['get_weather']);
  });

  test('an approval that throws counts as a no', async () => {
    const approve = () => Promise.reject(new Error('closed'));
    expect(await told({ arguments: '{"city":"X"}' }, { approve })).toMatchObject({ outcome: 'denied' });
  });

  test('a repair that does not help, or throws', async () => {
    for (const repair of [() => '{"city":false}', () => undefined, () => Promise.reject(new Error('x'))]) {
      expect(await told({ arguments: '{"city": 5}' }, { repair })).toMatchObject({
        outcome: 'invalid',
        content: expect.stringContaining('city: '),
      });
    }
  });
});

test('repaired arguments run and stand in the history', async () => {
  const model = scripted(
    { reasoning: 'r', calls: [{ ...askWeather, arguments: "{'city': 'Zürich'}", source: 'x' }] },
    { content: 'ok' },
  );
  const loop = runTools(model, {
    messages: question,
    tools: [weather],
    repair: ({ call, problem }) => {
      expect(problem).toBe('the arguments are not the JSON of an object');
      return call.arguments.replaceAll("'", '"');
    },
  });
  const [result] = results(await eventsOf(loop));
  const call = { id: 'a', name: 'get_weather', arguments: '{"city": "Zürich"}' };
  expect(result).toMatchObject({ outcome: 'ok', call });
  expect(loop.messages[1]).toEqual({ role: 'assistant', reasoning: 'r', content: '', toolCalls: [call] });
});

test('approvals are asked one at a time in the order of the calls', async () => {
  const log: string[] = [];
  const calls = ['a', 'b', 'c'].map((id) => ({ id, name: 'get_weather', arguments: '{"city":"X"}' }));
  const approve = async (call: { id: string }): Promise<boolean> => {
    log.push(`ask ${call.id}`);
    await new Promise((resolve) => setTimeout(resolve, 3));
    log.push(`answer ${call.id}`);
    return call.id !== 'b';
  };
  const loop = runTools(scripted({ calls }, { content: 'ok' }), { messages: question, tools: [weather], approve });
  expect(new Map(results(await eventsOf(loop)).map((one) => [one.call.id, one.outcome]))).toEqual(
    new Map([
      ['a', 'ok'],
      ['b', 'denied'],
      ['c', 'ok'],
    ]),
  );
  expect(log).toEqual(['ask a', 'answer a', 'ask b', 'answer b', 'ask c', 'answer c']);
});

test('a forced tool choice counts for the first step', async () => {
  const model = scripted({ calls: [askWeather] }, { content: 'ok' });
  await runTools(model, { messages: question, tools: [weather], toolChoice: 'required' }).message();
  expect(model.requests.map(({ toolChoice }) => toolChoice)).toEqual(['required', 'auto']);
});

test('the request of a step is a plain chat request', async () => {
  const model = scripted({ content: 'ok' });
  const request = {
    messages: question,
    tools: [],
    thinking: true,
    maxTokens: 5,
    stop: ['x'],
    sampling: { temperature: 1 },
  };
  await runTools(model, { ...request, maxSteps: 2, concurrency: 1, toolTimeoutMs: 9, approve: () => true }).message();
  const { signal: _, ...sent } = model.requests[0]! satisfies ChatRequest;
  expect(sent).toEqual(request);
});

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1));
}
