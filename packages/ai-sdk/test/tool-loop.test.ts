// The real `ai` package over the tiny model: two-turn tool loops with thinking, and what the second request says.
import { demoTools } from '@mimokit/nano';
import type { ChatModel, ChatRequest } from '@mimokit/protocol';
import type { LocalModel } from '@mimokit/runtime';
import { generateText, isStepCount, jsonSchema, type LanguageModel, streamText, tool, type ToolSet } from 'ai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { languageModel, languageModelV3 } from '../src/index.ts';
import { openNano } from './nano-model.ts';

let nano: LocalModel;
beforeAll(async () => {
  nano = await openNano();
});
afterAll(() => nano.dispose());

const calculator = demoTools.find(({ name }) => name === 'calculator')!;
const tools: ToolSet = {
  calculator: tool({
    description: calculator.description,
    inputSchema: jsonSchema<{ expression: string }>(calculator.parameters as object),
    execute: ({ expression }) => {
      const [left, right] = expression.split('*').map(Number);
      return String(left! * right!);
    },
  }),
};
const question = { role: 'user', content: 'What is 37 * 12?' } as const;

/** The model, and every request it got. */
function recorded(model: ChatModel): { model: ChatModel; requests: ChatRequest[] } {
  const requests: ChatRequest[] = [];
  const chat: ChatModel['chat'] = (request) => {
    requests.push(request);
    return model.chat(request);
  };
  return { model: { modelId: model.modelId, chat }, requests };
}

/** The second request carries the first answer as the model gave it, and renders to the bytes the model ran. */
async function expectWholeHistory(requests: readonly ChatRequest[]): Promise<void> {
  expect(requests).toHaveLength(2);
  const [first, second] = requests as [ChatRequest, ChatRequest];
  // Greedy: asked again, the model says the same.
  const { reasoning, content, toolCalls } = await nano
    .chat({ ...first, signal: new AbortController().signal })
    .message();
  expect(reasoning).not.toBe('');
  expect(first.messages).toEqual([question]);
  const [call] = toolCalls!;
  const asked = second.messages[1];
  const id = asked?.role === 'assistant' ? asked.toolCalls![0]!.id : 'no call';
  expect(second.messages).toEqual([
    question,
    { role: 'assistant', reasoning, content, toolCalls: [{ ...call, id }] },
    { role: 'tool', content: '444', toolCallId: id },
  ]);
  expect(first.thinking).toBe(true);
  expect(first.tools).toEqual([calculator]);
  const before = nano.render(first).text;
  expect(
    nano.render(second).text.startsWith(`${before}<think>${reasoning}</think>${content}${call!.source}<|im_end|>`),
  ).toBe(true);
}

describe.each([
  { view: 'V4', make: (model: ChatModel): LanguageModel => languageModel(model, { thinking: true }) },
  { view: 'V3', make: (model: ChatModel): LanguageModel => languageModelV3(model, { thinking: true }) },
])('the $view view', ({ make }) => {
  test('generateText runs the tool and keeps the reasoning', async () => {
    const { model, requests } = recorded(nano);
    const result = await generateText({
      model: make(model),
      messages: [question],
      tools,
      stopWhen: isStepCount(3),
      maxOutputTokens: 200,
      temperature: 0,
    });
    expect(result.text).toContain('444');
    expect(result.steps).toHaveLength(2);
    expect(result.steps[0]!.finishReason).toBe('tool-calls');
    expect(result.steps[0]!.toolCalls[0]).toMatchObject({ toolName: 'calculator', input: { expression: '37 * 12' } });
    expect(result.finishReason).toBe('stop');
    await expectWholeHistory(requests);
  });

  test('streamText streams reasoning, input and text, and keeps the reasoning', async () => {
    const { model, requests } = recorded(nano);
    const result = streamText({
      model: make(model),
      messages: [question],
      tools,
      stopWhen: isStepCount(3),
      maxOutputTokens: 200,
      temperature: 0,
    });
    const texts: Record<string, string> = {};
    const types: string[] = [];
    for await (const part of result.stream) {
      if (types.at(-1) !== part.type) types.push(part.type);
      if (part.type === 'text-delta' || part.type === 'reasoning-delta')
        texts[part.type] = (texts[part.type] ?? '') + part.text;
      if (part.type === 'tool-input-delta') texts[part.type] = (texts[part.type] ?? '') + part.delta;
      if (part.type === 'error') throw part.error;
    }
    expect(texts['tool-input-delta']).toBe('{"expression":"37 * 12"}');
    expect(texts['text-delta']).toContain('444');
    const order = [
      'reasoning-start',
      'reasoning-delta',
      'reasoning-end',
      'tool-input-start',
      'tool-call',
      'tool-result',
    ];
    const found = order.map((type) => types.indexOf(type));
    expect(found).toEqual(found.toSorted((a, b) => a - b));
    expect(found).not.toContain(-1);
    const { inputTokenDetails, outputTokenDetails, ...usage } = await result.totalUsage;
    expect(usage.inputTokens).toBeGreaterThan(0);
    expect(outputTokenDetails.reasoningTokens).toBeGreaterThan(0);
    expect(inputTokenDetails.cacheReadTokens).toBeGreaterThan(0);
    await expectWholeHistory(requests);
  });
});
