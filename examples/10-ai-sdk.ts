// The AI SDK over a model in this process. Watch: the second request to the model carries the reasoning of the first answer, and
// the call as the model wrote it.
import { languageModel } from '@mimokit/ai-sdk';
import { modelDirectory } from '@mimokit/nano';
import type { ChatModel, ChatRequest } from '@mimokit/protocol';
import { openModel } from '@mimokit/runtime';
import { isStepCount, streamText, tool } from 'ai';
import { z } from 'zod';
import { pickedRunner } from './runner.ts';

const calculator = tool({
  description: 'Evaluate arithmetic.',
  inputSchema: z.object({ expression: z.string().describe('such as (2 + 3) * 4') }),
  execute({ expression }) {
    const [left, right] = expression.split('*').map(Number) as [number, number];
    return String(left * right);
  },
});

await using model = await openModel(modelDirectory(), { runner: pickedRunner });
const requests: ChatRequest[] = [];
const watched: ChatModel = {
  modelId: model.modelId,
  chat(request) {
    requests.push(request);
    return model.chat(request);
  },
};
const result = streamText({
  model: languageModel(watched, { thinking: true }),
  prompt: 'What is 37 * 12?',
  tools: { calculator },
  stopWhen: isStepCount(3),
});
for await (const part of result.stream) {
  if (part.type === 'reasoning-delta' || part.type === 'text-delta') process.stdout.write(part.text);
  if (part.type === 'tool-call') console.log(`\ncall: ${part.toolName} ${JSON.stringify(part.input)}`);
  if (part.type === 'tool-result') console.log(`result: ${String(part.output)}`);
}
const answer = requests[1]?.messages[1];
const kept = answer?.role === 'assistant' && answer.reasoning === (await result.steps)[0]?.reasoningText;
console.log(`\nreasoning kept by the SDK: ${kept}`);
