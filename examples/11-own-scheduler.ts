// A runtime of one's own: runner, tokenizer and engine put together by hand, with a scheduler policy in four lines. Watch: the
// shortest job runs first, although it came last.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { modelDirectory } from '@mimokit/nano';
import { createEngine, createScheduler, rowOf } from '@mimokit/runtime';
import { createTokenizer } from '@mimokit/tokenizer';
import { pickedRunner } from './runner.ts';

const directory = modelDirectory();
const runner = await pickedRunner(directory, { blocks: 64, windows: 4 });
const tokenizer = createTokenizer(await readFile(join(directory, 'tokenizer.json'), 'utf8'));

const shortestFirst = createScheduler({
  compare: (a, b) => a.request.maxTokens - b.request.maxTokens,
  rows: (live, tokenBudget) => [rowOf(live[0]!, tokenBudget)],
});
const engine = createEngine({ runner, scheduler: shortestFirst });

const ids = tokenizer.encode('<|im_start|>user\nHello<|im_end|><|im_start|>assistant\n');
const finished: string[] = [];
async function job(name: string, maxTokens: number): Promise<void> {
  for await (const event of engine.generate({ ids, maxTokens, ignoreEos: true })) {
    if (event.type === 'finish') finished.push(name);
  }
}
await Promise.all([job('a', 48), job('b', 24), job('c', 8)]);
await engine.dispose();
await runner.dispose();
console.log(`shortest first: a, b, c came in this order and finished in the order ${finished.join(', ')}`);
