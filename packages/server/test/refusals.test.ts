// What is refused by name: forms of the answer that nothing here can keep, and methods that a path does not have.
import { expect, test } from 'vitest';
import { createHandler } from '../src/index.ts';

const handler = createHandler({
  models: [
    {
      modelId: 'm',
      chat: () => {
        throw new Error('nothing runs here');
      },
    },
  ],
  basePath: '/ai',
});

async function ask(path: string, body: object, headers: Record<string, string> = {}) {
  const response = await handler(
    new Request(`http://localhost/ai${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    }),
  );
  return { status: response.status, body: (await response.json()) as { error: { message: string; param?: string } } };
}

const messages = [{ role: 'user', content: 'x' }];
const chat = { model: 'm', messages };

test.each([
  ['/v1/chat/completions', { ...chat, response_format: { type: 'json_object' } }, 'response_format'],
  ['/v1/chat/completions', { ...chat, response_format: { type: 'json_schema', json_schema: {} } }, 'response_format'],
  ['/v1/chat/completions', { ...chat, guided_json: { type: 'object' } }, 'guided_json'],
  ['/v1/chat/completions', { ...chat, grammar: 'root ::= "a"' }, 'grammar'],
  ['/v1/chat/completions', { ...chat, structured_outputs: { json: {} } }, 'structured_outputs'],
  ['/v1/completions', { model: 'm', prompt: 'x', json_schema: {} }, 'json_schema'],
  ['/v1/completions', { model: 'm', prompt: 'x', response_format: { type: 'json_object' } }, 'response_format'],
  ['/v1/responses', { model: 'm', input: 'x', text: { format: { type: 'json_object' } } }, 'text.format'],
  ['/generate', { text: 'x', sampling_params: { regex: 'a+' } }, 'sampling_params.regex'],
])('%s: a form of the answer is a 400 that names it: %j', async (path, body, param) => {
  const answer = await ask(path, body);
  expect(answer.status).toBe(400);
  expect(answer.body.error.param).toBe(param);
  expect(answer.body.error.message).toContain('not held to a grammar');
});

test('/v1/messages says it in its own words', async () => {
  const body = { ...chat, max_tokens: 4, output_config: { format: { type: 'json_schema', schema: {} } } };
  const answer = await ask('/v1/messages', body, { 'anthropic-version': '2023-06-01' });
  expect(answer).toMatchObject({ status: 400, body: { type: 'error', error: { type: 'invalid_request_error' } } });
  expect(answer.body.error.message).toContain('output_config.format');
});

test.each([
  ['/v1/chat/completions', 'GET', 'POST'],
  ['/v1/responses/x', 'PUT', 'GET, DELETE'],
  ['/health', 'POST', 'GET'],
])('%s does not take %s: 405, and Allow says what it takes', async (path, method, allow) => {
  const response = await handler(new Request(`http://localhost/ai${path}`, { method }));
  expect([response.status, response.headers.get('allow')]).toEqual([405, allow]);
  expect(await response.json()).toMatchObject({ error: { code: 'method_not_allowed' } });
});

test('what is nowhere is still 404', async () => {
  expect((await handler(new Request('http://localhost/ai/nope', { method: 'PUT' }))).status).toBe(404);
  expect((await handler(new Request('http://localhost/v1/models'))).status).toBe(404);
});
