// A tool loop with two tools over a local model; the same loop runs over HTTP. Watch: the reasoning of the tool turn goes back
// to the model byte for byte.
import { runTools, tool } from '@mimokit/client/run-tools';
import { modelDirectory } from '@mimokit/nano';
import { openModel } from '@mimokit/runtime';
import { z } from 'zod';
import { pickedRunner } from './runner.ts';

const calculator = tool({
  name: 'calculator',
  description: 'Evaluate arithmetic.',
  parameters: z.object({ expression: z.string().describe('such as (2 + 3) * 4') }),
  execute({ expression }) {
    const [left, right] = expression.split('*').map(Number) as [number, number];
    return String(left * right);
  },
});
const clock = tool({
  name: 'clock',
  description: 'Current date and time.',
  parameters: z.object({ timezone: z.string().describe('IANA name, default UTC').optional() }),
  execute: () => '2026-11-24 14:05 Tuesday, UTC',
});

await using model = await openModel(modelDirectory(), { runner: pickedRunner });
const loop = runTools(model, {
  messages: [{ role: 'user', content: 'What is 37 * 12?' }],
  tools: [clock, calculator],
  thinking: true,
});
for await (const event of loop) {
  if (event.type === 'reasoning-delta' || event.type === 'text-delta') process.stdout.write(event.text);
  if (event.type === 'tool-call') console.log(`\ncall: ${event.call.name} ${event.call.arguments}`);
  if (event.type === 'tool-result') console.log(`result: ${event.content}`);
}
const called = loop.messages.find((message) => message.role === 'assistant');
console.log(`\nreasoning kept on the tool turn: ${called?.role === 'assistant' && (called.reasoning ?? '') !== ''}`);
