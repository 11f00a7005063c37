// The Responses API through the real `openai` package, and @openai/agents, which speaks it by default.
import { Agent, OpenAIProvider, Runner, setTracingDisabled, tool } from '@openai/agents';
import { demoTools } from '@mimokit/nano';
import type { LocalModel } from '@mimokit/runtime';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openNano, runTool, type Served, serveNano, spyFetch } from './nano.ts';

let model: LocalModel;
beforeAll(async () => {
  setTracingDisabled(true);
  model = await openNano();
});
afterAll(() => model.dispose());

const clientOf = (served: Served): OpenAI =>
  new OpenAI({ baseURL: `${served.server.url}/v1`, apiKey: 'none', maxRetries: 0, fetch: spyFetch(served.bodies) });

const question = 'What is 37 * 12?';
const tools = demoTools.map(({ name, description, parameters }) => ({
  type: 'function' as const,
  name,
  description,
  parameters: { ...parameters },
  strict: false,
}));
const base = { model: 'nano', tools, reasoning: { effort: 'medium' as const } };

describe('responses', () => {
  test('items: reasoning, then the call it led to', async () => {
    await using served = await serveNano(model);
    const response = await clientOf(served).responses.create({ ...base, input: question });
    expect(response).toMatchObject({ object: 'response', status: 'completed', model: 'nano', error: null });
    expect(response.output.map(({ type }) => type)).toEqual(['reasoning', 'function_call']);
    expect(response.output[1]).toMatchObject({ name: 'calculator', arguments: '{"expression":"37 * 12"}' });
    expect(response.usage!.output_tokens_details.reasoning_tokens).toBeGreaterThan(0);
  });

  test("a stream passes the SDK's own accumulator, and every event is numbered", async () => {
    await using served = await serveNano(model);
    const client = clientOf(served);
    for (const [input, types] of [
      [question, ['reasoning', 'function_call']],
      ['Hello', ['reasoning', 'message']],
    ] as const) {
      const whole = await client.responses.create({ ...base, input });
      const stream = client.responses.stream({ ...base, input });
      let next = 0;
      let text = '';
      for await (const event of stream) {
        expect(event.sequence_number).toBe(next++);
        if (event.type === 'response.output_text.delta') text += event.delta;
      }
      const final = await stream.finalResponse();
      expect(final.output.map(({ type }) => type)).toEqual(types);
      const plain = (response: OpenAI.Responses.Response) =>
        response.output.map((item) => ({
          ...item,
          id: '',
          ...(item.type === 'function_call' ? { call_id: '', parsed_arguments: undefined } : {}),
          ...(item.type === 'message' ? { content: response.output_text } : {}),
        }));
      expect(plain(final)).toEqual(plain(whole));
      expect(text).toBe(whole.output_text);
    }
  });

  test('a loop over previous_response_id: turn 2 brings only the result, the model sees everything', async () => {
    await using served = await serveNano(model);
    const client = clientOf(served);
    const first = await client.responses.create({ ...base, input: question });
    const call = first.output.find((item) => item.type === 'function_call')!;
    const second = await client.responses.create({
      ...base,
      previous_response_id: first.id,
      input: [{ type: 'function_call_output', call_id: call.call_id, output: '444' }],
    });
    expect(second.output_text).toContain('444');
    expect(served.prompts[1].startsWith(served.prompts[0])).toBe(true);
    expect(served.prompts[1]).toContain('<tool_response>\n444\n</tool_response>');
    expect(served.asked[1].messages[1]).toMatchObject({ reasoning: expect.stringContaining('calculator') });
    expect(second.usage!.input_tokens_details.cached_tokens).toBeGreaterThan(0);
  });

  test('a loop that sends the items back, reasoning among them', async () => {
    await using served = await serveNano(model, { reasoningRecall: 'off' });
    const client = clientOf(served);
    const first = await client.responses.create({ ...base, input: question, store: false });
    const call = first.output.find((item) => item.type === 'function_call')!;
    const second = await client.responses.create({
      ...base,
      store: false,
      input: [
        { role: 'user', content: question },
        ...first.output,
        { type: 'function_call_output', call_id: call.call_id, output: '444' },
      ] as OpenAI.Responses.ResponseInput,
    });
    expect(second.output_text).toContain('444');
    expect(served.asked[1].messages).toHaveLength(3);
    expect(served.asked[1].messages[1]).toMatchObject({ reasoning: expect.stringContaining('calculator') });
  });

  test('kept responses can be read and deleted; others and unkept ones are 404', async () => {
    await using served = await serveNano(model);
    const client = clientOf(served);
    const kept = await client.responses.create({ model: 'nano', input: 'Hello', instructions: 'Be brief.' });
    expect(await client.responses.retrieve(kept.id)).toMatchObject({ id: kept.id, instructions: 'Be brief.' });
    await client.responses.delete(kept.id);
    const gone = { status: 404, error: { param: 'previous_response_id' } };
    await expect(client.responses.retrieve(kept.id)).rejects.toMatchObject(gone);
    const unkept = await client.responses.create({ model: 'nano', input: 'Hello', store: false });
    await expect(
      client.responses.create({ model: 'nano', input: 'Hi', previous_response_id: unkept.id }),
    ).rejects.toMatchObject(gone);
  });

  test('cut by max_output_tokens it is incomplete; a forced call is made; hosted tools are left out', async () => {
    await using served = await serveNano(model);
    const client = clientOf(served);
    expect(await client.responses.create({ model: 'nano', input: 'Hello', max_output_tokens: 2 })).toMatchObject({
      status: 'incomplete',
      incomplete_details: { reason: 'max_output_tokens' },
    });
    const forced = await client.responses.create({
      ...base,
      input: 'Hello',
      tool_choice: { type: 'function', name: 'clock' },
    });
    expect(forced.output.at(-1)).toMatchObject({ type: 'function_call', name: 'clock' });
    await client.responses.create({ model: 'nano', input: 'Hello', tools: [{ type: 'web_search' }, ...tools] });
    expect(served.asked.at(-1)!.tools).toHaveLength(tools.length);
  });

  test.each([
    ['input[0].type', { input: [{ type: 'hologram' }] }],
    ['input[0].role', { input: [{ role: 'wizard', content: 'x' }] }],
    ['tools[0].parameters', { tools: [{ type: 'function', name: 'f', parameters: [] }] }],
    ['text.format', { text: { format: { type: 'json_object' } } }],
    ['tool_choice', { tool_choice: { type: 'function', name: 'nope' } }],
    ['model', { model: 'gpt-9' }],
  ])('what is wrong names %s', async (param, wrong) => {
    await using served = await serveNano(model);
    const response = await fetch(`${served.server.url}/v1/responses`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'nano', input: 'Hello', ...wrong }),
    });
    expect(await response.json()).toMatchObject({ error: { type: 'invalid_request_error', param } });
    expect([400, 404]).toContain(response.status);
  });
});

describe('@openai/agents', () => {
  const agentTools = demoTools.map(({ name, description, parameters }) =>
    tool({
      name,
      description,
      parameters: { ...parameters, required: parameters.required ?? [], additionalProperties: true },
      strict: false,
      execute: (input) => runTool(name, input as Record<string, unknown>),
    }),
  );

  test.each([true, false])('a tool loop keeps its reasoning (Responses: %s)', async (useResponses) => {
    await using served = await serveNano(model);
    const provider = new OpenAIProvider({ openAIClient: clientOf(served), useResponses });
    const agent = new Agent({
      name: 'calculator',
      model: 'nano',
      tools: agentTools,
      modelSettings: useResponses
        ? { reasoning: { effort: 'medium' } }
        : { providerData: { chat_template_kwargs: { enable_thinking: true } } },
    });
    const result = await new Runner({ modelProvider: provider, tracingDisabled: true }).run(agent, question);
    expect(result.finalOutput).toContain('444');
    const [, second] = served.bodies;
    expect(second.path).toBe(useResponses ? '/v1/responses' : '/v1/chat/completions');
    expect(served.asked).toHaveLength(2);
    const past = served.asked[1].messages.find(({ role }) => role === 'assistant');
    expect(past).toMatchObject({ reasoning: expect.stringContaining('calculator') });
    expect(served.prompts[1].startsWith(served.prompts[0])).toBe(true);
  });
});
