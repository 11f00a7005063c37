// Our client against our server on nano: the laws of a ChatModel hold over the wire, and say what they say without it.
import { createClient } from '@mimokit/client';
import { runTools, tool } from '@mimokit/client/run-tools';
import { demoTools } from '@mimokit/nano';
import type { ChatModel, ChatRequest, Message } from '@mimokit/protocol';
import { chatModelLaws } from '@mimokit/protocol/testing';
import type { LocalModel } from '@mimokit/runtime';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openServer, type RunningServer } from '../src/node.ts';
import { openNano, runTool, serveNano, spyFetch } from './nano.ts';

let model: LocalModel;
let server: RunningServer;
beforeAll(async () => {
  model = await openNano();
  server = await openServer({ models: [model], port: 0 });
});
afterAll(async () => {
  await server.close(0);
  await model.dispose();
});

const clientOf = (stream: boolean): ChatModel => createClient({ baseURL: `${server.url}/v1`, model: 'nano', stream });
const question: ChatRequest = {
  messages: [{ role: 'user', content: 'What is 37 * 12?' }],
  thinking: true,
  maxTokens: 200,
};

describe.each([
  ['as a stream', true],
  ['in one piece', false],
])('%s', (_, stream) => {
  const requests = {
    text: { messages: [{ role: 'user' as const, content: 'Hello' }] },
    tool: { ...question, tools: demoTools.map((each) => ({ ...each })) },
    repeatable: true,
  };
  test.each(chatModelLaws(async () => clientOf(stream), requests))('$name', ({ check }) => check());

  test('the answer is the local one, reasoning and call included', async () => {
    const request: ChatRequest = { ...question, tools: demoTools.map((each) => ({ ...each })) };
    const local = await model.chat(request).message();
    const far = await clientOf(stream).chat(request).message();
    const plain = (message: typeof far) => ({
      ...message,
      toolCalls: message.toolCalls?.map(({ name, arguments: text }) => ({ name, text })),
    });
    expect(plain(far)).toEqual(plain(local));
  });
});

test('a server over the client of a server: the same answer from two hops', async () => {
  await using front = await openServer({ models: [clientOf(true)], port: 0 });
  const far = createClient({ baseURL: `${front.url}/v1`, model: 'nano' });
  expect(await far.chat(question).message()).toEqual(await model.chat(question).message());
});

test('the tool loop sends its reasoning back byte for byte, without any help of the server', async () => {
  await using served = await serveNano(model, { reasoningRecall: 'off' });
  const client = createClient({ baseURL: `${served.server.url}/v1`, model: 'nano', fetch: spyFetch(served.bodies) });
  const loop = runTools(client, {
    ...question,
    tools: demoTools.map(({ name, description, parameters }) =>
      tool({
        name,
        description,
        parameters: { ...parameters },
        execute: (input) => runTool(name, input as Record<string, unknown>),
      }),
    ),
  });
  const message = await loop.message();
  expect(message.content).toContain('444');
  const [, past] = served.asked[1].messages;
  const kept = loop.messages.find((each: Message) => each.role === 'assistant');
  if (past.role !== 'assistant' || kept?.role !== 'assistant') throw new Error('no assistant message');
  expect(past.reasoning).toBe(kept.reasoning);
  expect(past.reasoning).toMatch(/calculator/);
  expect(served.prompts[1].startsWith(served.prompts[0])).toBe(true);
});

test('errors keep their meaning over the wire', async () => {
  const far = clientOf(true);
  const tooLong = { messages: [{ role: 'user' as const, content: 'word '.repeat(60_000) }] };
  await expect(far.chat(tooLong).message()).rejects.toMatchObject({ code: 'http-status', details: { status: 400 } });
  const unknown = createClient({ baseURL: `${server.url}/v1`, model: 'nope' });
  await expect(unknown.chat(question).message()).rejects.toMatchObject({
    code: 'http-status',
    details: { status: 404 },
  });
});
