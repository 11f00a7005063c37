// Plays held-out dialogues against a model and reports the share of each mark; `failures` prints what went wrong.
import { nativeRunner } from '@mimokit/kernels';
import { fixedDraftDepth, openModel } from '@mimokit/runtime';
import type { Dialogue } from './dialogues.ts';
import type { Report } from './report.ts';
import { type Mark, runDialogue } from './run-dialogue.ts';

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

export async function judge(
  directory: string,
  dialogues: readonly Dialogue[],
  report: Report,
  failures: boolean,
): Promise<void> {
  const hits = new Map<Mark, boolean[]>(Object.keys(names).map((mark) => [mark as Mark, []]));
  /** Whether every turn of a dialogue was right, by kind. */
  const right = new Map<string, boolean[]>();
  const accepted: number[] = [];
  // All three heads at every step: the accept length is the model's, whatever depth is fastest on this machine.
  await using model = await openModel(directory, { runner: nativeRunner, drafts: fixedDraftDepth(3) });
  for (const dialogue of dialogues) {
    const { marks, acceptLengths, messages } = await runDialogue(model, dialogue);
    for (const [mark, hit] of marks) hits.get(mark)!.push(hit);
    accepted.push(...acceptLengths);
    const whole = marks.every(([, hit]) => hit);
    right.set(dialogue.kind, [...(right.get(dialogue.kind) ?? []), whole]);
    if (!whole && failures) {
      const missed = marks.filter(([, hit]) => !hit).map(([mark]) => names[mark]);
      console.log(JSON.stringify({ id: dialogue.id, kind: dialogue.kind, missed, tail: messages.slice(-3) }));
    }
  }
  for (const [mark, name] of Object.entries(names)) report.share(name, hits.get(mark as Mark)!);
  report.share('three_call', right.get('three') ?? []);
  report.share('three_call_nonce', right.get('nonce_three') ?? []);
  report.share('dialogue_right', [...right.values()].flat());
  report.mean('accept_length', accepted);
  for (const [kind, list] of [...right].sort()) {
    console.log(`  ${kind.padEnd(16)} ${list.filter(Boolean).length} of ${list.length} dialogues right`);
  }
}
