// How far the prompt is: asked for by `return_progress`, in every API; silent otherwise, and skipped by the SDKs that do not know it.
import Anthropic from '@anthropic-ai/sdk';
import { createClient } from '@mimokit/client';
import type { StreamEvent } from '@mimokit/protocol';
import type { LocalModel } from '@mimokit/runtime';
import OpenAI from 'openai';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openServer, type RunningServer } from '../src/node.ts';
import { openNano } from './nano.ts';

let model: LocalModel;
let server: RunningServer;
beforeAll(async () => {
  // Steps of 64 tokens: a prompt of 300 takes five.
  model = await openNano({ tokenBudget: 64, prefixCache: false });
  server = await openServer({ models: [model], port: 0 });
});
afterAll(async () => {
  await server.close(0);
  await model.dispose();
});

const content = 'one two three '.repeat(100);
const messages = [{ role: 'user' as const, content }];

async function frames(path: string, body: object): Promise<string[]> {
  const response = await fetch(`${server.url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'nano', stream: true, return_progress: true, ...body }),
  });
  expect(response.status).toBe(200);
  return (await response.text()).split('\n\n').filter((frame) => frame !== '');
}

interface Report {
  total: number;
  cache: number;
  processed: number;
  time_ms: number;
}

function check(reports: readonly Report[], total: number): void {
  expect(reports.length).toBe(Math.ceil(total / 64));
  expect(reports.map(({ processed }) => processed)).toEqual(
    reports.map((_, index) => Math.min(total, 64 * (index + 1))),
  );
  for (const report of reports) expect(report).toMatchObject({ total, cache: 0 });
}

test.each([
  ['/v1/chat/completions', { messages, max_tokens: 4 }],
  ['/v1/completions', { prompt: content, max_tokens: 4 }],
])('%s: chunks with prompt_progress, all before the answer', async (path, body) => {
  const chunks = (await frames(path, body))
    .filter((frame) => frame !== 'data: [DONE]')
    .map((frame) => JSON.parse(frame.slice(6)) as { prompt_progress?: Report; choices: { text?: string }[] });
  const reports = chunks.flatMap((chunk) => chunk.prompt_progress ?? []);
  const prompt = path.includes('chat') ? model.render({ messages }).ids.length : model.tokenize(content).length;
  check(reports, prompt);
  const last = chunks.findLastIndex((chunk) => chunk.prompt_progress !== undefined);
  expect(chunks.slice(0, last).every(({ choices }) => (choices[0]?.text ?? '') === '')).toBe(true);
});

test.each([
  ['/v1/responses', { input: content, max_output_tokens: 4 }],
  ['/v1/messages', { messages, max_tokens: 4 }],
  ['/generate', { text: content, sampling_params: { max_new_tokens: 4 } }],
])('%s: comments', async (path, body) => {
  const all = await frames(path, body);
  const reports = all
    .filter((frame) => frame.startsWith(': prompt_progress '))
    .map((frame) => JSON.parse(frame.slice(18)) as Report);
  const prompt = path === '/generate' ? model.tokenize(content).length : model.render({ messages }).ids.length;
  check(reports, prompt);
});

test('nobody is told who did not ask', async () => {
  const all = await frames('/v1/chat/completions', { messages, max_tokens: 4, return_progress: false });
  expect(all.join('')).not.toContain('prompt_progress');
});

test('the SDKs read the same answers with it as without', async () => {
  const openai = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'none' });
  const anthropic = new Anthropic({ baseURL: server.url, apiKey: 'none' });
  const read = async (extra: object): Promise<unknown[]> => {
    const chat = openai.chat.completions.stream({ model: 'nano', messages, max_tokens: 8, ...extra });
    const response = openai.responses.stream({ model: 'nano', input: content, max_output_tokens: 16, ...extra });
    const message = anthropic.messages.stream({ model: 'nano', messages, max_tokens: 8, ...extra });
    return [
      (await chat.finalChatCompletion()).choices[0]?.message.content,
      (await response.finalResponse()).output_text,
      (await message.finalMessage()).content,
    ];
  };
  const plain = await read({});
  expect(plain[0]).not.toBe('');
  expect(await read({ return_progress: true })).toEqual(plain);
});

test('our client gives it as events, and nothing without being asked', async () => {
  const client = createClient({ baseURL: `${server.url}/v1`, model: 'nano' });
  const reported = async (wantProgress: boolean): Promise<StreamEvent[]> => {
    const events: StreamEvent[] = [];
    for await (const event of client.chat({ messages, maxTokens: 4, wantProgress })) events.push(event);
    return events.filter(({ type }) => type === 'prompt-progress');
  };
  const promptTokens = model.render({ messages }).ids.length;
  const events = await reported(true);
  expect(events.at(-1)).toEqual({
    type: 'prompt-progress',
    processedTokens: promptTokens,
    promptTokens,
    cachedTokens: 0,
  });
  expect(events.length).toBe(Math.ceil(promptTokens / 64));
  expect(await reported(false)).toEqual([]);
});
