// The OpenAPI document: every reference leads somewhere, every route it names is there, and what it calls valid is not refused.
import type { ChatModel } from '@mimokit/protocol';
import { isJsonObject } from '@mimokit/protocol';
import { expect, test } from 'vitest';
import { createHandler } from '../src/index.ts';

const silent: ChatModel = {
  modelId: 'm',
  chat: () => {
    throw new Error('nothing runs here');
  },
};
const handler = createHandler({ models: [silent] });

interface Document {
  openapi: string;
  paths: Record<
    string,
    { post?: { requestBody: { content: Record<string, { schema: { $ref: string } }> } }; get?: object }
  >;
  components: { schemas: Record<string, unknown> };
}

async function read(): Promise<Document> {
  return (await (await handler(new Request('http://localhost/openapi.json'))).json()) as Document;
}

function resolve(document: unknown, reference: string): unknown {
  let at: unknown = document;
  for (const key of reference.split('/').slice(1))
    at = isJsonObject(at) ? (at as Record<string, unknown>)[key] : undefined;
  return at;
}

test('every reference leads somewhere', async () => {
  const document = await read();
  expect(document.openapi).toBe('3.1.0');
  const text = JSON.stringify(document);
  const references = [...text.matchAll(/"\$ref":"([^"]+)"/g)].map(([, reference]) => reference);
  expect(references.length).toBeGreaterThan(10);
  for (const reference of references)
    expect([reference, resolve(document, reference)]).not.toEqual([reference, undefined]);
});

test('every route is there: an empty body is refused and not unknown', async () => {
  const { paths } = await read();
  for (const [path, { post }] of Object.entries(paths)) {
    const request = new Request(`http://localhost${path.replace('{id}', 'm')}`, {
      method: post ? 'POST' : 'GET',
      ...(post ? { headers: { 'content-type': 'application/json' }, body: '{}' } : {}),
    });
    const text = await (await handler(request)).text();
    expect([path, text.includes('There is no POST') || text.includes('There is no GET')]).toEqual([path, false]);
  }
});

test('the schemas name what requests need', async () => {
  const { components } = await read();
  expect(components.schemas['v1_chat_completions']).toMatchObject({ type: 'object', required: ['model', 'messages'] });
  expect(components.schemas['v1_messages']).toMatchObject({ required: ['model', 'messages'] });
  expect(components.schemas['v1_responses']).toMatchObject({ required: ['model', 'input'] });
});
