// The shipped model answers a sample of the held-out dialogues through the engine, and the scripted demonstration.
import { isNativeAvailable, nativeRunner } from '@mimokit/kernels';
import { fixedDraftDepth, openModel } from '@mimokit/runtime';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readDialogues } from '../scripts/dialogues.ts';
import { type Mark, runDialogue } from '../scripts/run-dialogue.ts';
import { demoTools, modelDirectory } from '../src/index.ts';

describe.skipIf(!isNativeAvailable())('the shipped model', () => {
  let model: Awaited<ReturnType<typeof openModel>>;
  beforeAll(async () => {
    model = await openModel(modelDirectory(), { runner: nativeRunner, drafts: fixedDraftDepth(3) });
  });
  afterAll(() => model[Symbol.asyncDispose]());

  test('answers 40 held-out dialogues about as well as its card says', async () => {
    const marks: (readonly [Mark, boolean])[] = [];
    const lengths: number[] = [];
    for (const dialogue of readDialogues('micro').slice(0, 40)) {
      const outcome = await runDialogue(model, dialogue);
      marks.push(...outcome.marks);
      lengths.push(...outcome.acceptLengths);
    }
    const rate = (mark: Mark): number => {
      const list = marks.filter(([name]) => name === mark);
      return list.filter(([, hit]) => hit).length / list.length;
    };
    expect(rate('wellFormed')).toBeGreaterThan(0.95);
    expect(rate('knownTool')).toBeGreaterThan(0.9);
    expect(rate('thinking')).toBe(1);
    expect(lengths.reduce((sum, length) => sum + length, 0) / lengths.length).toBeGreaterThan(3);
  });

  test.each([
    ['What is 37 * 12?', 'calculator', { expression: '37 * 12' }],
    ['Convert 5 miles to kilometers.', 'convert_units', { value: 5, from: 'miles', to: 'kilometers' }],
    ['convert 5 miles to km', 'convert_units', { value: 5, from: 'miles', to: 'km' }],
    ['what time is it', 'clock', {}],
  ])('%s calls %s', async (content, name, input) => {
    const stream = model.chat({
      messages: [{ role: 'user', content }],
      tools: demoTools.map((tool) => ({ ...tool })),
      thinking: true,
    });
    const { toolCalls = [], reasoning } = await stream.message();
    expect(reasoning).not.toBe('');
    expect(toolCalls.map((call) => [call.name, JSON.parse(call.arguments)])).toEqual([[name, input]]);
  });
});
