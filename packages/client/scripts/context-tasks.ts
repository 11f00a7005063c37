// A hundred long tasks under each policy: `node --conditions=mimokit-source scripts/context-tasks.ts [tasks]`. Prints one line a
// policy and exits with 1 when an answer is lost too often, an archive does not replay or a budget is exceeded.
import { loadMimoTokenizer } from '@mimokit/tokenizer/mimo';
import { type ContextPolicy, discardToolResults, summariseAndArchive } from '../src/context/index.ts';
import { longTask } from '../test/context-tasks.ts';
import { runLongTask } from '../test/run-long-task.ts';

const count = Number(process.argv[2] ?? 100);
const budgetTokens = 3000;
const tokenizer = await loadMimoTokenizer();
const policies: readonly (() => ContextPolicy)[] = [discardToolResults, summariseAndArchive];

for (const create of policies) {
  const began = performance.now();
  const outcomes = [];
  for (let number = 0; number < count; number++) {
    outcomes.push(await runLongTask(longTask(number), create(), { budgetTokens, tokenizer }));
  }
  const found = outcomes.filter((one) => one.found).length;
  const searched = outcomes.filter((one) => one.found && one.searched).length;
  const replayed = outcomes.filter((one) => one.replays).length;
  const most = Math.max(...outcomes.map((one) => one.mostTokens));
  const longest = Math.max(...outcomes.map((one) => one.fullTokens));
  const requests = outcomes.reduce((sum, one) => sum + one.requests, 0);
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  console.log(
    `${create().name}: found ${found}/${count} (${searched} through the archive), replayed to the byte ${replayed}/${count}, ` +
      `largest request ${most} of ${budgetTokens} tokens, longest conversation ${longest} tokens, ${requests} requests, ${seconds} s`,
  );
  if (found < count * 0.95 || replayed < count || most > budgetTokens) process.exitCode = 1;
}
