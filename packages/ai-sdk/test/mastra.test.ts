// The recipe of docs/ai-sdk.md in Mastra, where it is installed (a hundred packages that this repository does not want):
// MIMOKIT_MASTRA names a folder whose node_modules has @mastra/core.
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { demoTools } from '@mimokit/nano';
import type { ChatModel, ChatRequest } from '@mimokit/protocol';
import { tool } from 'ai';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { languageModel, languageModelV3 } from '../src/index.ts';
import { openNano } from './nano-model.ts';

interface MastraAgent {
  generate(prompt: string, options: object): Promise<{ text: string }>;
}
type Agents = { Agent: new (options: object) => MastraAgent };

const folder = process.env['MIMOKIT_MASTRA'];

async function mastra(): Promise<Agents> {
  const file = createRequire(join(folder!, 'package.json')).resolve('@mastra/core/agent');
  return (await import(pathToFileURL(file).href)) as Agents;
}

test.skipIf(folder === undefined).each([
  ['V4', languageModel],
  ['V3', languageModelV3],
] as const)(
  folder === undefined
    ? 'is not run (%s): MIMOKIT_MASTRA names no folder with @mastra/core'
    : 'an agent over the %s view calls a tool and hands the reasoning back',
  async (_, view) => {
    const { Agent } = await mastra();
    await using nano = await openNano();
    const asked: ChatRequest[] = [];
    const model: ChatModel = {
      modelId: 'nano',
      chat: (request) => {
        asked.push(request);
        return nano.chat(request);
      },
    };
    const { description } = demoTools.find(({ name }) => name === 'calculator')!;
    const calculator = tool({
      description,
      inputSchema: z.object({ expression: z.string().describe('such as (2 + 3) * 4') }),
      execute: () => '444',
    });
    const agent = new Agent({
      id: 'mimo',
      name: 'MiMo',
      instructions: '',
      model: view(model, { thinking: true }),
      tools: { calculator },
    });
    const { text } = await agent.generate('What is 37 * 12?', { maxSteps: 3 });
    expect(text).toContain('444');
    const past = asked[1]!.messages.find(({ role }) => role === 'assistant');
    expect(past).toMatchObject({ reasoning: expect.stringMatching(/calculator/) as string });
  },
);
