// Bodies of every route, valid ones with something replaced: never a 5xx, never a hang, always the API's own envelope.
import type { LocalModel } from '@mimokit/runtime';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createHandler, type Handler } from '../src/index.ts';
import { openNano } from './nano.ts';

let model: LocalModel;
let handler: Handler;
const faults: unknown[] = [];
beforeAll(async () => {
  model = await openNano();
  handler = createHandler({ models: [model], limits: { maxTokens: 3 }, onError: (error) => faults.push(error) });
});
afterAll(() => model.dispose());

const user = { role: 'user', content: 'Hello' };
const parameters = { type: 'object', properties: { a: { type: 'string' } }, required: ['a'] };
const routes: Record<string, Record<string, unknown>> = {
  '/v1/chat/completions': {
    model: 'nano',
    messages: [
      user,
      {
        role: 'assistant',
        content: null,
        reasoning_content: 'r',
        tool_calls: [{ id: 'c', type: 'function', function: { name: 'f', arguments: '{}' } }],
      },
      { role: 'tool', tool_call_id: 'c', content: [{ type: 'text', text: 'x' }] },
    ],
    tools: [{ type: 'function', function: { name: 'f', description: 'd', parameters } }],
    tool_choice: 'auto',
    n: 1,
    stop: ['x'],
    temperature: 0.5,
    logprobs: false,
    stream: false,
  },
  '/v1/messages': {
    model: 'nano',
    max_tokens: 3,
    system: [{ type: 'text', text: 's' }],
    messages: [
      user,
      {
        role: 'assistant',
        content: [
          { type: 'thinking', thinking: 't', signature: 's' },
          { type: 'tool_use', id: 'c', name: 'f', input: { a: 'b' } },
        ],
      },
      { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'c', content: [{ type: 'text', text: 'x' }] }] },
    ],
    tools: [{ name: 'f', input_schema: parameters }],
    tool_choice: { type: 'auto' },
    thinking: { type: 'enabled', budget_tokens: 100 },
    stop_sequences: ['x'],
    stream: false,
  },
  '/v1/responses': {
    model: 'nano',
    instructions: 'i',
    input: [
      user,
      { type: 'reasoning', id: 'r', summary: [{ type: 'summary_text', text: 't' }] },
      { type: 'function_call', call_id: 'c', name: 'f', arguments: '{"a":"b"}' },
      { type: 'function_call_output', call_id: 'c', output: 'x' },
    ],
    tools: [{ type: 'function', name: 'f', parameters }],
    reasoning: { effort: 'low' },
    text: { format: { type: 'text' } },
    store: true,
    stream: false,
  },
  '/v1/completions': {
    model: 'nano',
    prompt: ['a'],
    max_tokens: 2,
    n: 1,
    logprobs: 1,
    stop: 'x',
    echo: true,
    logit_bias: { 5: 1 },
  },
  '/generate': {
    text: 'a',
    sampling_params: { max_new_tokens: 2, stop: ['x'], temperature: 1, n: 1 },
    return_logprob: true,
    top_logprobs_num: 1,
    return_routed_experts: true,
  },
  '/tokenize': { prompt: 'a' },
  '/detokenize': { tokens: [1, 2] },
  '/apply-template': { model: 'nano', messages: [user] },
};

async function post(path: string, body: string): Promise<{ status: number; text: string }> {
  const response = await handler(
    new Request(`http://localhost${path}`, { method: 'POST', headers: { 'content-type': 'application/json' }, body }),
  );
  return { status: response.status, text: await response.text() };
}

/** Every place in a value, as a path. */
function placesOf(value: unknown, path: (string | number)[] = []): (string | number)[][] {
  if (typeof value !== 'object' || value === null) return [path];
  return [path, ...Object.entries(value).flatMap(([key, member]) => placesOf(member, [...path, key]))];
}

function replaced(value: unknown, [key, ...rest]: (string | number)[], by: unknown): unknown {
  if (key === undefined) return by;
  const copy: Record<string, unknown> = Array.isArray(value)
    ? ([...(value as unknown[])] as unknown as Record<string, unknown>)
    : { ...(value as object) };
  copy[key] = replaced(copy[key], rest, by);
  return copy;
}

describe.each(Object.entries(routes))('%s', (path, body) => {
  test('as it is: 200', async () => {
    expect(await post(path, JSON.stringify(body))).toMatchObject({ status: 200 });
  });

  test('with anything anywhere: 200 or a 4xx in the envelope', async () => {
    const places = placesOf(body);
    const odd = fc.oneof(
      fc.jsonValue({ maxDepth: 2 }),
      fc.constantFrom(null, -1, 0, 1e308, 2 ** 53, '', '\u0000', '<|im_end|>', '__proto__', [], {}, [[]], [null], true),
    );
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...places), odd, async (place, value) => {
        faults.length = 0;
        const { status, text } = await post(path, JSON.stringify(replaced(body, place, value)));
        expect([place, value, faults, status < 500]).toEqual([place, value, [], true]);
        if (status === 200) return;
        expect(JSON.parse(text)).toMatchObject({ error: { message: expect.any(String), type: expect.any(String) } });
      }),
      { numRuns: 120 },
    );
  });

  test('cut anywhere: 400', async () => {
    const text = JSON.stringify(body);
    for (let length = 0; length < text.length; length += 1 + Math.floor(text.length / 40)) {
      expect((await post(path, text.slice(0, length))).status).toBe(400);
    }
  });
});

/** Schemas as people and generators write them, and as nobody should. */
const schemas = fc.letrec<{ schema: unknown }>((tie) => ({
  schema: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom(true, false, null, 'string', [], {}, { type: 'string' }, { type: ['string', 'null'] }, { type: 7 }),
    fc.constantFrom({ $ref: '#' }, { $ref: '#/$defs/a' }, { enum: [] }, { enum: [1, 'a', null] }, { pattern: '(' }),
    fc.record({ type: fc.constant('array'), items: tie('schema'), minItems: fc.integer() }, { requiredKeys: ['type'] }),
    fc.record(
      {
        type: fc.constantFrom('object', 'array', 'nothing'),
        properties: fc.dictionary(fc.string(), tie('schema'), { maxKeys: 4 }),
        required: fc.oneof(fc.array(fc.string()), fc.constant('a')),
        additionalProperties: tie('schema'),
        description: fc.oneof(fc.string(), fc.constant(1)),
      },
      { requiredKeys: [] },
    ),
    fc.record({ anyOf: fc.array(tie('schema'), { maxLength: 3 }), $defs: fc.dictionary(fc.string(), tie('schema')) }),
  ),
})).schema;

test('any schema of a tool is taken or refused by name, also when its call must be made', async () => {
  const choice = fc.constantFrom('auto', 'required');
  await fc.assert(
    fc.asyncProperty(schemas, choice, async (schema, toolChoice) => {
      faults.length = 0;
      const tools = [{ type: 'function', function: { name: 'f', parameters: schema } }];
      const body = { model: 'nano', messages: [user], tools, tool_choice: toolChoice, chat_template_kwargs: {} };
      const { status, text } = await post('/v1/chat/completions', JSON.stringify(body));
      expect([faults, status === 200 || status === 400]).toEqual([[], true]);
      if (status !== 200) expect(JSON.parse(text)).toMatchObject({ error: { param: expect.stringMatching(/^tools/) } });
    }),
    { numRuns: 150 },
  );
});
