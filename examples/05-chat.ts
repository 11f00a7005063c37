// Chat in ten lines with the embedded model. Watch: reasoning and text are different events.
import { modelDirectory } from '@mimokit/nano';
import { openModel } from '@mimokit/runtime';
import { pickedRunner } from './runner.ts';

await using model = await openModel(modelDirectory(), { runner: pickedRunner });
for await (const event of model.chat({ messages: [{ role: 'user', content: 'Hello!' }], thinking: true })) {
  if (event.type === 'reasoning-delta' || event.type === 'text-delta') process.stdout.write(event.text);
  if (event.type === 'finish') console.log(`\nfinished: ${event.reason}, ${event.usage.completionTokens} tokens`);
}
