// An agent over HTTP: the hosted MiMo platform when MIMO_API_KEY is set, else a server in this process that is as strict as the
// platform. Watch: the loop sends the reasoning of the tool turn back; a client that drops it would be answered 400.
import { costOf, createClient, prices, runTools, tool } from '@mimokit/client';
import { demoTools, modelDirectory } from '@mimokit/nano';
import { openModel } from '@mimokit/runtime';
import { openServer } from '@mimokit/server/node';
import { pickedRunner } from './runner.ts';

const apiKey = process.env['MIMO_API_KEY'];
await using local = await openModel(modelDirectory(), { runner: pickedRunner, modelId: 'nano' });
await using server = await openServer({ models: [local], port: 0, reasoningRecall: 'strict' });
const model = apiKey
  ? createClient({ model: 'mimo-v2-flash', apiKey })
  : createClient({ model: 'nano', baseURL: `${server.url}/v1` });

const calculator = tool({
  ...demoTools.find(({ name }) => name === 'calculator')!,
  execute({ expression }) {
    const [left, right] = String(expression).split('*').map(Number) as [number, number];
    return String(left * right);
  },
});
const loop = runTools(model, {
  messages: [{ role: 'user', content: 'What is 37 * 12?' }],
  tools: [calculator],
  thinking: true,
  maxSteps: 4,
});
for await (const event of loop) {
  if (event.type === 'text-delta') process.stdout.write(event.text);
  if (event.type === 'tool-call') console.log(`call: ${event.call.name} ${event.call.arguments}`);
}
const { usage, steps } = await loop.result();
const kept = loop.messages.filter((message) => message.role === 'assistant' && message.reasoning !== undefined).length;
const cost = costOf(usage, prices['mimo-v2-flash']);
console.log(
  `\n${usage.promptTokens} tokens in, ${usage.completionTokens} out: ${cost.total.toFixed(6)} ${cost.currency}`,
);
console.log(`steps: ${steps}, turns with reasoning: ${kept}`);
