// `ai` with @ai-sdk/openai-compatible, and @langchain/openai: two-turn tool loops with thinking, as they come from npm.
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { type AIMessageChunk, type BaseMessage, HumanMessage, ToolMessage } from '@langchain/core/messages';
import { ChatOpenAI } from '@langchain/openai';
import { demoTools } from '@mimokit/nano';
import type { LocalModel } from '@mimokit/runtime';
import { generateText, isStepCount, jsonSchema, streamText, type ToolSet, tool } from 'ai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openaiTools, openNano, runTool, type Served, serveNano, spyFetch } from './nano.ts';

let model: LocalModel;
beforeAll(async () => {
  model = await openNano();
});
afterAll(() => model.dispose());

const question = 'What is 37 * 12?';

/** The second prompt goes on from the first: the reasoning and the call are there byte for byte. */
function expectContinued(served: Served): void {
  const [before, after] = served.prompts;
  expect(after.startsWith(before)).toBe(true);
  expect(after.slice(before.length)).toMatch(
    /^<think>I will call calculator[^<]*<\/think><tool_call>\n<function=calculator>/,
  );
  expect(after).toContain('<tool_response>\n444\n</tool_response>');
}

describe('ai and @ai-sdk/openai-compatible', () => {
  const tools: ToolSet = Object.fromEntries(
    demoTools.map(({ name, description, parameters }) => [
      name,
      tool({
        description,
        inputSchema: jsonSchema<Record<string, unknown>>({ ...parameters } as Parameters<typeof jsonSchema>[0]),
        execute: (input) => runTool(name, input),
      }),
    ]),
  );

  test.each([false, true])('the loop sends the reasoning back itself (stream: %s)', async (stream) => {
    await using served = await serveNano(model, { reasoningRecall: 'off' });
    const provider = createOpenAICompatible({
      name: 'mimokit',
      baseURL: `${served.server.url}/v1`,
      fetch: spyFetch(served.bodies),
      includeUsage: true,
    });
    const request = {
      model: provider('nano'),
      prompt: question,
      tools,
      stopWhen: isStepCount(3),
      maxRetries: 0,
      providerOptions: { mimokit: { chat_template_kwargs: { enable_thinking: true } } },
    };
    if (stream) {
      const result = streamText(request);
      expect(await result.text).toContain('444');
      expect((await result.usage).inputTokens).toBeGreaterThan(0);
    } else {
      const result = await generateText(request);
      expect(result.text).toContain('444');
      expect(result.usage.outputTokens).toBeGreaterThan(0);
    }
    const [, second] = served.bodies;
    const assistant = (second.body['messages'] as Record<string, unknown>[]).find(({ role }) => role === 'assistant')!;
    expect(assistant['reasoning_content']).toMatch(/calculator/);
    expect(served.asked[1].messages[1]).toMatchObject({ reasoning: assistant['reasoning_content'] });
    expect(served.prompts[1].startsWith(served.prompts[0])).toBe(true);
  });
});

describe('@langchain/openai', () => {
  test.each([false, true])('the reasoning it drops is put back (stream: %s)', async (stream) => {
    await using served = await serveNano(model);
    const chat = new ChatOpenAI({
      model: 'nano',
      apiKey: 'none',
      maxRetries: 0,
      modelKwargs: { chat_template_kwargs: { enable_thinking: true } },
      configuration: { baseURL: `${served.server.url}/v1`, fetch: spyFetch(served.bodies) },
    }).bindTools(openaiTools);
    // Not `streaming: true`: that one fetches a tokenizer from elsewhere to count tokens.
    const ask = async (messages: BaseMessage[]): Promise<AIMessageChunk> => {
      if (!stream) return chat.invoke(messages);
      let whole: AIMessageChunk | undefined;
      for await (const chunk of await chat.stream(messages)) whole = whole === undefined ? chunk : whole.concat(chunk);
      return whole!;
    };
    const human = new HumanMessage(question);
    const first = await ask([human]);
    const [call] = first.tool_calls!;
    expect(call).toMatchObject({ name: 'calculator', args: { expression: '37 * 12' } });
    const result = new ToolMessage({ tool_call_id: call.id!, content: runTool(call.name, call.args) });
    const second = await ask([human, first, result]);
    expect(second.text).toContain('444');
    // As received: without reasoning. What the model saw: with it.
    const sent = (served.bodies[1].body['messages'] as Record<string, unknown>[])[1];
    expect(sent['reasoning_content']).toBeUndefined();
    expectContinued(served);
  });
});
