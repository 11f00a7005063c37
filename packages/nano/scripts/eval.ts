// Evaluates the shipped model on the held-out dialogues through MimoKit's own engine: CPU runner, greedy, MTP on. Prints the
// figures with 95% intervals and writes them to eval.json. `--count N` takes the first N dialogues, `--failures` shows misses.
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { nativeRunner } from '@mimokit/kernels';
import { fixedDraftDepth, openModel } from '@mimokit/runtime';
import { modelDirectory } from '../src/index.ts';
import { mean, share } from './interval.ts';
import { type Mark, readDialogues, runDialogue } from './run-dialogue.ts';

const { values } = parseArgs({
  options: { count: { type: 'string', default: '500' }, failures: { type: 'boolean', default: false } },
});
const dialogues = readDialogues().slice(0, Number(values.count));

const names: Readonly<Record<Mark, string>> = {
  wellFormed: 'well_formed',
  validCall: 'valid_call',
  knownTool: 'tool_choice_known',
  exactKnown: 'exact_known',
  nonceTool: 'tool_choice_nonce',
  exactNonce: 'exact_nonce',
  restated: 'result_restated',
  noTool: 'no_tool',
  thinking: 'thinking_obeyed',
};
const hits = new Map<Mark, boolean[]>(Object.keys(names).map((mark) => [mark as Mark, []]));
const accepted: number[] = [];
let right = 0;

// All three heads at every step: the accept length is the model's, whatever depth is fastest on this machine.
await using model = await openModel(modelDirectory(), { runner: nativeRunner, drafts: fixedDraftDepth(3) });
for (const dialogue of dialogues) {
  const { marks, acceptLengths, messages } = await runDialogue(model, dialogue);
  for (const [mark, hit] of marks) hits.get(mark)!.push(hit);
  accepted.push(...acceptLengths);
  if (marks.every(([, hit]) => hit)) right += 1;
  else if (values.failures) {
    const missed = marks.filter(([, hit]) => !hit).map(([mark]) => names[mark]);
    console.log(JSON.stringify({ id: dialogue.id, kind: dialogue.kind, missed, tail: messages.slice(-3) }));
  }
}

const figures: Record<string, number> = {};
const intervals: Record<string, readonly [number, number]> = {};
const percent = (value: number): string => `${(value * 100).toFixed(1)}%`;
function report(
  name: string,
  total: number,
  value: number,
  interval: readonly [number, number],
  show: (value: number) => string,
): void {
  figures[name] = Number(value.toFixed(4));
  intervals[name] = [Number(interval[0].toFixed(4)), Number(interval[1].toFixed(4))];
  console.log(
    `${name.padEnd(18)} ${show(value).padStart(7)}  [${show(interval[0])}, ${show(interval[1])}]  of ${total}`,
  );
}
for (const [mark, name] of Object.entries(names)) {
  const list = hits.get(mark as Mark)!;
  const { total, share: value, interval } = share(list.filter(Boolean).length, list.length);
  if (total > 0) report(name, total, value, interval, percent);
}
const whole = share(right, dialogues.length);
report('dialogue_right', whole.total, whole.share, whole.interval, percent);
const { total, mean: length, interval } = mean(accepted);
report('accept_length', total, length, interval, (value) => value.toFixed(3));
if (dialogues.length === 500) {
  const path = fileURLToPath(new URL('../eval.json', import.meta.url));
  writeFileSync(path, `${JSON.stringify({ dialogues: dialogues.length, ...figures, intervals }, null, 2)}\n`);
}
