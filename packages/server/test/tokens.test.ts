// The token-level routes: completions, SGLang's generate, tokenize, apply-template; each against the model itself.
import type { GenerateEvent, GenerateRequest, TokenLogprob } from '@mimokit/protocol';
import type { LocalModel } from '@mimokit/runtime';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createHandler, type Handler } from '../src/index.ts';
import { openServer } from '../src/node.ts';
import { openNano } from './nano.ts';

let model: LocalModel;
let handler: Handler;
beforeAll(async () => {
  model = await openNano();
  handler = createHandler({ models: [model], onError: (error) => console.error(error) });
});
afterAll(() => model.dispose());

async function post<T = Record<string, unknown>>(path: string, body: unknown): Promise<{ status: number; body: T }> {
  const response = await handler(
    new Request(`http://localhost${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    }),
  );
  return { status: response.status, body: (await response.json()) as T };
}

async function direct(
  request: GenerateRequest,
): Promise<{ ids: number[]; logprobs: TokenLogprob[]; routes: number[] }> {
  const result = { ids: [] as number[], logprobs: [] as TokenLogprob[], routes: [] as number[] };
  for await (const event of model.generate(request) as AsyncIterable<GenerateEvent>) {
    if (event.type !== 'tokens') continue;
    result.ids.push(...event.ids);
    result.logprobs.push(...(event.logprobs ?? []));
    result.routes.push(...(event.routes ?? []));
  }
  return result;
}

const chat = { messages: [{ role: 'user' as const, content: 'What is 37 * 12?' }] };

describe('/v1/completions through the openai package', () => {
  test('a prompt goes on as the model itself goes on, as text, as ids, in one piece and as a stream', async () => {
    await using server = await openServer({ models: [model], port: 0 });
    const client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'none', maxRetries: 0 });
    const { text: prompt, ids } = model.render(chat);
    const expected = model.detokenize((await direct({ ids, maxTokens: 30, ignoreEos: true })).ids);
    const base = { model: 'nano', max_tokens: 30, ignore_eos: true };
    const whole = await client.completions.create({ ...base, prompt });
    expect(whole.choices[0]).toMatchObject({ text: expected, finish_reason: 'length', logprobs: null });
    expect((await client.completions.create({ ...base, prompt: [...ids] })).choices[0].text).toBe(expected);
    let streamed = '';
    const stream = await client.completions.create({
      ...base,
      prompt,
      stream: true,
      stream_options: { include_usage: true },
    });
    for await (const chunk of stream) streamed += chunk.choices[0]?.text ?? '';
    expect(streamed).toBe(expected);
  });

  test('several prompts, n, stop, echo and log-probabilities', async () => {
    type Completion = {
      choices: {
        index: number;
        text: string;
        logprobs: { tokens: string[]; token_logprobs: number[]; text_offset: number[] };
      }[];
    };
    const base = { model: 'nano', max_tokens: 12, ignore_eos: true };
    const prompts = ['Hello', 'The sum of'];
    const { body } = await post<Completion>('/v1/completions', { ...base, prompt: prompts, n: 2, seed: 3 });
    expect(body.choices.map(({ index }) => index)).toEqual([0, 1, 2, 3]);
    const one = await post<Completion>('/v1/completions', {
      ...base,
      prompt: prompts[1],
      seed: 3,
      echo: true,
      logprobs: 2,
    });
    const [choice] = one.body.choices;
    expect(choice.text).toBe(prompts[1] + body.choices[2].text);
    const { logprobs } = await direct({
      ids: model.tokenize(prompts[1]),
      maxTokens: 12,
      ignoreEos: true,
      topLogprobs: 2,
    });
    expect(choice.logprobs.token_logprobs).toEqual(logprobs.map(({ logprob }) => logprob));
    expect(choice.logprobs.text_offset[0]).toBe(prompts[1].length);
    const cut = await post<Completion>('/v1/completions', {
      ...base,
      prompt: prompts[0],
      stop: [body.choices[0].text.slice(4, 7)],
    });
    expect(cut.body.choices[0].text.length).toBeLessThanOrEqual(4);
  });

  test.each([
    ['prompt', { prompt: 5 }],
    ['prompt', { prompt: [] }],
    ['logprobs', { logprobs: 500 }],
    ['n', { n: 99 }],
    ['stop', { stop: [''] }],
  ])('what is wrong names %s', async (param, wrong) => {
    const { status, body } = await post('/v1/completions', { model: 'nano', prompt: 'Hello', ...wrong });
    expect([status, (body['error'] as { param: string }).param]).toEqual([400, param]);
  });

  test('ids beyond the vocabulary are a 400', async () => {
    expect((await post('/v1/completions', { model: 'nano', prompt: [1e9] })).status).toBe(400);
  });
});

describe('/generate in SGLang’s shape', () => {
  type Generated = { text: string; output_ids: number[]; meta_info: Record<string, unknown> };

  test('ids, log-probabilities and finish reason are the model’s own', async () => {
    const { ids } = model.render(chat);
    const expected = await direct({ ids, maxTokens: 16, ignoreEos: true, topLogprobs: 2 });
    const { body } = await post<Generated>('/generate', {
      input_ids: [...ids],
      sampling_params: { max_new_tokens: 16, ignore_eos: true },
      return_logprob: true,
      top_logprobs_num: 2,
    });
    expect(body.output_ids).toEqual(expected.ids);
    expect(body.meta_info).toMatchObject({
      finish_reason: { type: 'length', length: 16 },
      prompt_tokens: ids.length,
      completion_tokens: 16,
    });
    expect(
      (body.meta_info['output_token_logprobs'] as [number, number][]).map(([logprob, id]) => ({ logprob, id })),
    ).toEqual(expected.logprobs.map(({ logprob, id }) => ({ logprob, id })));
    expect(body.meta_info['output_top_logprobs']).toHaveLength(16);
  });

  test('routed experts: base64 of int32, tokens - 1 rows, all layers, dense ones zero', async () => {
    const ids = model.tokenize('one two three');
    const expected = await direct({ ids, maxTokens: 5, ignoreEos: true, wantRoutes: true });
    const { body } = await post<Generated>('/generate', {
      text: 'one two three',
      sampling_params: { max_new_tokens: 5, ignore_eos: true },
      return_routed_experts: true,
    });
    const raw = Buffer.from(body.meta_info['routed_experts'] as string, 'base64');
    const experts = new Int32Array(raw.buffer.slice(raw.byteOffset, raw.byteOffset + raw.length));
    const { layers, moeLayers, topK } = model.info;
    expect(experts.length).toBe((ids.length + 5 - 1) * layers * topK);
    const withExperts = [...experts].filter((_, at) => Math.floor(at / topK) % layers >= layers - moeLayers);
    expect(withExperts).toEqual(expected.routes);
  });

  test('a stream ends with what one piece says', async () => {
    const body = { text: 'Hello', sampling_params: { max_new_tokens: 8, ignore_eos: true } };
    const whole = await post<Generated>('/generate', body);
    const response = await handler(
      new Request('http://localhost/generate', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ ...body, stream: true }),
      }),
    );
    const frames = (await response.text()).trim().split('\n\n');
    expect(frames.at(-1)).toBe('data: [DONE]');
    const last = JSON.parse(frames.at(-2)!.slice(6)) as Generated;
    expect(last.text).toBe(whole.body.text);
    expect(last.output_ids).toEqual(whole.body.output_ids);
  });
});

describe('prompts and ids', () => {
  test('/apply-template gives the prompt that chat would run', async () => {
    const { text, ids } = model.render(chat);
    const { body } = await post('/apply-template', { model: 'nano', ...chat });
    expect(body).toEqual({ prompt: text, tokens: [...ids], count: ids.length });
  });

  test('/tokenize and /detokenize are inverse, and count a chat too', async () => {
    const { body } = await post('/tokenize', { prompt: 'Grüße, 世界' });
    expect(body['tokens']).toEqual([...model.tokenize('Grüße, 世界')]);
    expect((await post('/detokenize', { tokens: body['tokens'] })).body['prompt']).toBe('Grüße, 世界');
    expect((await post('/v1/tokenize', chat)).body['count']).toBe(model.render(chat).ids.length);
  });

  test('a model that does not run here has none of this', async () => {
    const far = createHandler({ models: [{ modelId: 'far', chat: (request) => model.chat(request) }] });
    const response = await far(
      new Request('http://localhost/tokenize', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: '{"prompt":"x"}',
      }),
    );
    expect(response.status).toBe(404);
  });
});
