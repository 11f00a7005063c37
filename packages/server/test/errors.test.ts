// What is wrong with a request is said with a status, in the API's own envelope, and names the field.
import { isMimoError, MimoError, type ChatModel } from '@mimokit/protocol';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createHandler } from '../src/index.ts';
import { openNano } from './nano.ts';
import type { LocalModel } from '@mimokit/runtime';

let model: LocalModel;
beforeAll(async () => {
  model = await openNano();
});
afterAll(() => model.dispose());

const hello = { model: 'nano', messages: [{ role: 'user', content: 'Hello' }], max_tokens: 4 };

function request(body: unknown, { path = '/v1/chat/completions', headers = {} } = {}): Request {
  return new Request(`http://localhost${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body),
  });
}

async function ask(body: unknown, options: Parameters<typeof request>[1] = {}) {
  const response = await createHandler({ models: [model] })(request(body, options));
  return { status: response.status, body: (await response.json()) as { error?: Record<string, unknown> }, response };
}

describe('400 names the field', () => {
  test.each([
    ['messages', { ...hello, messages: undefined }],
    ['messages', { ...hello, messages: [] }],
    ['messages[0].content', { ...hello, messages: [{ role: 'user', content: 3 }] }],
    ['messages[0].role', { ...hello, messages: [{ role: 'wizard', content: 'x' }] }],
    ['temperature', { ...hello, temperature: 'hot' }],
    ['temperature', { ...hello, temperature: -1 }],
    ['topP', { ...hello, top_p: 2 }],
    ['max_tokens', { ...hello, max_tokens: 0 }],
    ['n', { ...hello, n: 1000 }],
    ['stop', { ...hello, stop: 5 }],
    ['response_format', { ...hello, response_format: { type: 'json_object' } }],
    ['chat_template_kwargs.tokenize', { ...hello, chat_template_kwargs: { tokenize: true } }],
    ['top_logprobs', { ...hello, top_logprobs: 3 }],
    ['logit_bias.5', { ...hello, logit_bias: { 5: 'x' } }],
    ['logit_bias.5', { ...hello, logit_bias: { 5: 1e39 } }],
    ['tool_choice', { ...hello, tool_choice: 'required' }],
    ['tools[0].function.parameters.type', withSchema({ type: 'string' })],
    ['tools[0].function.parameters', withSchema('none')],
    ['tools[0].function.parameters.properties', withSchema({ type: 'object', properties: [] })],
    ['tools[0].function.parameters.properties.a.type', withSchema({ properties: { a: { type: 'banana' } } })],
    ['tools[0].function.parameters.required', withSchema({ type: 'object', required: 'a' })],
    ['tools[0]', { ...hello, tools: [{ type: 'function', function: { name: 'a b' } }] }],
  ])('%s', async (param, body) => {
    const { status, body: answer } = await ask(body);
    expect(answer.error).toMatchObject({ type: 'invalid_request_error', param });
    expect(status).toBe(400);
  });

  function withSchema(parameters: unknown) {
    return { ...hello, tools: [{ type: 'function', function: { name: 'f', parameters } }] };
  }
});

describe('other statuses', () => {
  test('404 for an unknown model and an unknown path', async () => {
    expect((await ask({ ...hello, model: 'gpt-9' })).body.error).toMatchObject({
      code: 'model_not_found',
      param: 'model',
    });
    expect((await ask(hello, { path: '/v2/chat' })).status).toBe(404);
  });

  test('400 for a prompt longer than the context, with its lengths', async () => {
    const { status, body } = await ask({ ...hello, messages: [{ role: 'user', content: 'word '.repeat(60_000) }] });
    expect(status).toBe(400);
    expect(body.error).toMatchObject({ code: expect.stringMatching(/context_length_exceeded|kv_too_small/) });
  });

  test('401 without the key, with each header that carries it', async () => {
    const handler = createHandler({ models: [model], apiKeys: ['secret', 'other'] });
    expect((await handler(request(hello))).status).toBe(401);
    expect((await handler(request(hello, { headers: { authorization: 'Bearer secre' } }))).status).toBe(401);
    for (const headers of [{ authorization: 'Bearer secret' }, { 'x-api-key': 'other' }, { 'api-key': 'secret' }]) {
      expect((await handler(request(hello, { headers }))).status).toBe(200);
    }
    expect((await handler(new Request('http://localhost/metrics'))).status).toBe(401);
    expect((await handler(new Request('http://localhost/health'))).status).toBe(200);
  });

  test('413 for a body over the limit, announced or not', async () => {
    const handler = createHandler({ models: [model], limits: { bodyBytes: 1000 } });
    const big = JSON.stringify({ ...hello, messages: [{ role: 'user', content: 'x'.repeat(2000) }] });
    expect((await handler(request(big))).status).toBe(413);
    expect((await handler(request(big, { headers: { 'content-length': '5000' } }))).status).toBe(413);
  });

  test('408 for a body that does not come', async () => {
    const handler = createHandler({ models: [model], limits: { bodyMs: 30 } });
    const body = new ReadableStream({ start: (controller) => controller.enqueue(new TextEncoder().encode('{')) });
    const slow = new Request('http://localhost/v1/chat/completions', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
      duplex: 'half',
    } as RequestInit);
    expect((await handler(slow)).status).toBe(408);
  });

  test('text/plain is not read: a page elsewhere may send it unasked', async () => {
    const { status, body } = await ask(hello, { headers: { 'content-type': 'text/plain' } });
    expect([status, body.error!['param']]).toEqual([400, 'content-type']);
  });

  test('CORS is closed unless origins are named', async () => {
    const preflight = () =>
      new Request('http://localhost/v1/models', {
        method: 'OPTIONS',
        headers: { origin: 'https://a.example', 'access-control-request-method': 'POST' },
      });
    const allowed = (response: Response) => response.headers.get('access-control-allow-origin');
    expect(allowed(await createHandler({ models: [model] })(preflight()))).toBeNull();
    const open = createHandler({ models: [model], corsOrigins: ['https://a.example'] });
    expect(allowed(await open(preflight()))).toBe('https://a.example');
  });

  test('a fault of the engine is 500 and says no more than it must', async () => {
    const broken: ChatModel = {
      modelId: 'nano',
      chat: () => {
        throw new TypeError('secret internals');
      },
    };
    const seen: unknown[] = [];
    const handler = createHandler({ models: [broken], onError: (error) => seen.push(error) });
    const response = await handler(request(hello));
    expect(response.status).toBe(500);
    expect(await response.text()).not.toContain('secret');
    expect(seen).toHaveLength(1);
  });
});

describe('bodies from anywhere', () => {
  test('100,000 levels of nesting are a 400, in any field', async () => {
    for (const open of ['[', '{"a":']) {
      const body = `{"model":"nano","messages":[],"stop":${open.repeat(100_000)}`;
      expect((await ask(body)).status).toBe(400);
    }
  });

  test('broken JSON and broken UTF-8 are a 400', async () => {
    for (const body of ['', '{', 'null', '[]', '3', '"x"', '{"model":"nano"', new Uint8Array([0x22, 0xff, 0x22])]) {
      expect([body, (await ask(body)).status]).toEqual([body, 400]);
    }
  });

  test('whatever JSON it is, the answer is 200 or a 4xx in the envelope', async () => {
    const handler = createHandler({ models: [model] });
    const field = fc.constantFrom(
      ...'messages tools tool_choice stop n seed temperature top_p top_k max_tokens thinking stream_options logit_bias'.split(
        ' ',
      ),
      ...'chat_template_kwargs reasoning_effort response_format stream functions modalities enable_thinking'.split(' '),
    );
    await fc.assert(
      fc.asyncProperty(field, fc.jsonValue({ maxDepth: 4 }), async (name, value) => {
        const response = await handler(request({ ...hello, max_tokens: 2, [name]: value }));
        const text = await response.text();
        if (response.status !== 200) {
          expect(response.status).toBeGreaterThanOrEqual(400);
          expect(response.status).toBeLessThan(500);
          expect(JSON.parse(text)).toMatchObject({ error: { message: expect.any(String), type: expect.any(String) } });
        }
      }),
      { numRuns: 150 },
    );
  });
});

test('options that cannot be are refused at once', () => {
  const refused = (options: Parameters<typeof createHandler>[0]) => {
    try {
      createHandler(options);
      return undefined;
    } catch (error) {
      return isMimoError(error) ? error.code : error;
    }
  };
  expect(refused({ models: [] })).toBe('invalid-argument');
  expect(refused({ models: [model, model] })).toBe('invalid-argument');
  expect(refused({ models: [model], apiKeys: [''] })).toBe('invalid-argument');
  expect(new MimoError('aborted', '').code).toBe('aborted');
});
