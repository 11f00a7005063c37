// Evaluates the shipped model on the held-out dialogues through MimoKit's own engine: CPU runner, greedy, MTP on. Prints the
// figures with 95% intervals; a whole set also writes eval.json. `--set micro|held`, `--count N` the first N dialogues,
// `--model DIR` another checkpoint, `--failures` shows misses. Needle, speed and agreement: needle.ts, speed.ts, agreement.ts.
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { nativeRunner } from '@mimokit/kernels';
import { fixedDraftDepth, openModel } from '@mimokit/runtime';
import { modelDirectory } from '../src/index.ts';
import { isDialogueSet, readDialogues } from './dialogues.ts';
import { mean, share } from './interval.ts';
import { type Mark, runDialogue } from './run-dialogue.ts';

const { values } = parseArgs({
  options: {
    set: { type: 'string', default: 'micro' },
    count: { type: 'string', default: '100000' },
    model: { type: 'string', default: modelDirectory() },
    failures: { type: 'boolean', default: false },
  },
});
if (!isDialogueSet(values.set)) throw new Error(`--set ${values.set}: micro or held`);
const all = readDialogues(values.set);
const dialogues = all.slice(0, Number(values.count));

const names: Readonly<Record<Mark, string>> = {
  wellFormed: 'well_formed',
  validCall: 'valid_call',
  knownTool: 'tool_choice_known',
  exactKnown: 'exact_known',
  nonceTool: 'tool_choice_nonce',
  exactNonce: 'exact_nonce',
  restated: 'result_restated',
  noTool: 'no_tool',
  fromText: 'answer_from_text',
  reasoned: 'reasoned',
  thinking: 'thinking_obeyed',
};
const hits = new Map<Mark, boolean[]>(Object.keys(names).map((mark) => [mark as Mark, []]));
/** Whether every turn of a dialogue was right, by kind. */
const right = new Map<string, boolean[]>();
const accepted: number[] = [];

// All three heads at every step: the accept length is the model's, whatever depth is fastest on this machine.
await using model = await openModel(values.model, { runner: nativeRunner, drafts: fixedDraftDepth(3) });
for (const dialogue of dialogues) {
  const { marks, acceptLengths, messages } = await runDialogue(model, dialogue);
  for (const [mark, hit] of marks) hits.get(mark)!.push(hit);
  accepted.push(...acceptLengths);
  const whole = marks.every(([, hit]) => hit);
  right.set(dialogue.kind, [...(right.get(dialogue.kind) ?? []), whole]);
  if (!whole && values.failures) {
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
function reportShare(name: string, list: readonly boolean[]): void {
  const { total, share: value, interval } = share(list.filter(Boolean).length, list.length);
  if (total > 0) report(name, total, value, interval, percent);
}
for (const [mark, name] of Object.entries(names)) reportShare(name, hits.get(mark as Mark)!);
reportShare('three_call', right.get('three') ?? []);
reportShare('three_call_nonce', right.get('nonce_three') ?? []);
reportShare('dialogue_right', [...right.values()].flat());
const { total, mean: length, interval } = mean(accepted);
report('accept_length', total, length, interval, (value) => value.toFixed(3));
for (const [kind, list] of [...right].sort()) {
  console.log(`  ${kind.padEnd(16)} ${list.filter(Boolean).length} of ${list.length} dialogues right`);
}
if (dialogues.length === all.length && values.model === modelDirectory()) {
  const path = fileURLToPath(new URL('../eval.json', import.meta.url));
  writeFileSync(
    path,
    `${JSON.stringify({ set: values.set, dialogues: dialogues.length, ...figures, intervals }, null, 2)}\n`,
  );
}
