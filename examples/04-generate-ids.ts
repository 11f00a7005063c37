// Ids in, ids out: the engine below the chat. Watch: MTP drafts change the number of steps, never the ids.
import { modelDirectory } from '@mimokit/nano';
import { openModel } from '@mimokit/runtime';
import { pickedRunner } from './runner.ts';

await using model = await openModel(modelDirectory(), { runner: pickedRunner });
const prompt = model.render({ messages: [{ role: 'user', content: 'Who are you?' }] }).ids;

async function run(mtp: boolean): Promise<{ ids: number[]; steps: number }> {
  const ids: number[] = [];
  let steps = 0;
  for await (const event of model.generate({ ids: prompt, maxTokens: 64, mtp })) {
    if (event.type === 'tokens') ids.push(...event.ids);
    if (event.type === 'finish') steps = event.usage.acceptLengths?.length ?? 0;
  }
  return { ids, steps };
}

const withDrafts = await run(true);
const without = await run(false);
console.log(model.detokenize(withDrafts.ids));
console.log(`${withDrafts.ids.length} ids in ${withDrafts.steps} steps with drafts, ${without.steps} without`);
console.log(`same ids: ${withDrafts.ids.join() === without.ids.join()}`);
