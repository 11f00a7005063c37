// Raw mode against a real engine: nano behind a bare completions route that knows ids and nothing of chats or tools. A tool
// loop through it says what the same loop says over the local model, from the same prompts.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { demoTools, modelDirectory } from '@mimokit/nano';
import type { AssistantMessage, ChatModel, Message } from '@mimokit/protocol';
import type { LocalModel } from '@mimokit/runtime';
import { createTokenizer } from '@mimokit/tokenizer';
import { expect, test } from 'vitest';
import { createRawClient } from '../src/raw.ts';
import { runTools, tool } from '../src/run-tools.ts';
import { openNano } from './nano-model.ts';
import { type Answer, serve } from './server.ts';

const tokenizer = createTokenizer(readFileSync(join(modelDirectory(), 'tokenizer.json'), 'utf8'));
const calculator = tool({
  ...demoTools.find(({ name }) => name === 'calculator')!,
  execute: ({ expression }) => {
    const [left, right] = String(expression).split('*').map(Number);
    return String(left! * right!);
  },
});

/** The route, in vLLM's shape. */
function completions(model: LocalModel): Answer {
  return async (response, { body }) => {
    const { prompt, max_tokens: maxTokens } = body as unknown as { prompt: number[] | string; max_tokens: number };
    const ids = typeof prompt === 'string' ? tokenizer.encode(prompt) : prompt;
    const decode = tokenizer.decodeStream();
    const send = (text: string, reason: string | null): unknown =>
      response.write(`data: ${JSON.stringify({ choices: [{ index: 0, text, finish_reason: reason }] })}\n\n`);
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for await (const event of model.generate({ ids, maxTokens })) {
      // The end-of-turn token is printed too: a client must cope.
      if (event.type === 'tokens') send(decode.push(event.ids), null);
      else if (event.type === 'finish') {
        const { promptTokens, completionTokens } = event.usage;
        send(decode.flush(), event.reason);
        const usage = { prompt_tokens: promptTokens, completion_tokens: completionTokens };
        response.write(`data: ${JSON.stringify({ choices: [], usage })}\n\n`);
      }
    }
    response.end('data: [DONE]\n\n');
  };
}

async function loopOver(model: ChatModel): Promise<readonly Message[]> {
  const messages: Message[] = [{ role: 'user', content: 'What is 37 * 12?' }];
  const loop = runTools(model, { messages, tools: [calculator], thinking: true, maxTokens: 200 });
  await loop.result();
  return loop.messages;
}

/** Ids of calls are random. */
function withoutIds(messages: readonly Message[]): unknown {
  return messages.map((message) => {
    if (message.role === 'tool') return { ...message, toolCallId: '' };
    if (message.role !== 'assistant' || !message.toolCalls) return message;
    return { ...message, toolCalls: message.toolCalls.map((call) => ({ ...call, id: '' })) } satisfies AssistantMessage;
  });
}

test.each([
  { form: 'text', options: {} },
  { form: 'ids', options: { tokenizer } },
])('a tool loop over prompts as $form is the loop over the local model', async ({ options }) => {
  await using nano = await openNano();
  await using server = await serve(completions(nano));
  const raw = createRawClient({ baseURL: server.baseURL, model: 'nano', preset: 'vllm', ...options });
  const [overHttp, local] = [await loopOver(raw), await loopOver(nano)];
  expect(withoutIds(overHttp)).toEqual(withoutIds(local));
  expect(JSON.stringify(local)).toContain('444');
  const prompts = server.received.map(({ body }) => body['prompt'] as unknown as string | number[]);
  const tools = [calculator.definition];
  const second = nano.render({ messages: overHttp.slice(0, 3), tools, thinking: true });
  expect(prompts[1]).toEqual(typeof prompts[1] === 'string' ? second.text : Array.from(second.ids));
});
