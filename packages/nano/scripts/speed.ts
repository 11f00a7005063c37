// What self-speculation is worth at batch 1 on this machine: ids per second of decode steps at depths 0 to 3 and with the
// engine's own policy, beside what two cost models predict. Depths take turns; medians over the rounds. `--model DIR`,
// `--dialogues N`, `--rounds N`. Run it on an idle machine.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { nativeRunner } from '@mimokit/kernels';
import {
  type DraftPolicy,
  expertCost,
  fixedDraftDepth,
  linearCost,
  measuredDraftDepth,
  openModel,
  type StepRecord,
} from '@mimokit/runtime';
import { modelDirectory } from '../src/index.ts';
import { readDialogues } from './dialogues.ts';
import { runDialogue } from './run-dialogue.ts';

const { values } = parseArgs({
  options: {
    model: { type: 'string', default: modelDirectory() },
    set: { type: 'string', default: 'micro' },
    dialogues: { type: 'string', default: '16' },
    rounds: { type: 'string', default: '7' },
  },
});
const dialogues = readDialogues(values.set === 'held' ? 'held' : 'micro').slice(0, Number(values.dialogues));

interface Measured {
  idsPerSecond: number;
  idsPerStep: number;
  stepMilliseconds: number;
}

/** Decode steps only: a prompt takes what it takes. */
async function measure(drafts: DraftPolicy): Promise<Measured> {
  const steps: StepRecord[] = [];
  await using model = await openModel(values.model, {
    runner: nativeRunner,
    drafts,
    onStep: (step) => void steps.push(step),
  });
  await runDialogue(model, dialogues[0]!);
  steps.length = 0;
  for (const dialogue of dialogues) await runDialogue(model, dialogue);
  const decode = steps.filter(({ rows, tokens, drafts: asked }) => tokens === rows + asked);
  const milliseconds = decode.reduce((sum, step) => sum + step.milliseconds, 0);
  const ids = decode.reduce((sum, step) => sum + step.emitted, 0);
  return {
    idsPerSecond: (1000 * ids) / milliseconds,
    idsPerStep: ids / decode.length,
    stepMilliseconds: milliseconds / decode.length,
  };
}

function median(list: readonly number[]): number {
  const sorted = list.toSorted((left, right) => left - right);
  return sorted[sorted.length >> 1]!;
}

interface Shape {
  n_routed_experts: number;
  num_experts_per_tok: number;
  hidden_size: number;
  moe_intermediate_size: number;
  intermediate_size: number;
  num_attention_heads: number;
  num_key_value_heads: number;
  swa_num_key_value_heads: number;
  head_dim: number;
  v_head_dim: number;
  vocab_size: number;
  hybrid_layer_pattern: readonly number[];
  moe_layer_freq: readonly number[];
}

/** The share of a one-token step's weight bytes that are experts (FP8 one byte; head and output projections two). */
function expertShare(c: Shape): number {
  let experts = 0;
  let rest = 2 * c.vocab_size * c.hidden_size;
  c.hybrid_layer_pattern.forEach((sliding, layer) => {
    const kv = sliding ? c.swa_num_key_value_heads : c.num_key_value_heads;
    const qkv = c.num_attention_heads * c.head_dim + kv * (c.head_dim + c.v_head_dim);
    rest += c.hidden_size * (qkv + 2 * c.num_attention_heads * c.v_head_dim);
    if (c.moe_layer_freq[layer]) {
      experts += 3 * c.num_experts_per_tok * c.hidden_size * c.moe_intermediate_size;
      rest += 4 * c.n_routed_experts * c.hidden_size;
    } else rest += 3 * c.hidden_size * c.intermediate_size;
  });
  return experts / (experts + rest);
}

const config = JSON.parse(readFileSync(join(values.model, 'config.json'), 'utf8')) as Shape;
const byExperts = expertCost({
  experts: config.n_routed_experts,
  topK: config.num_experts_per_tok,
  expertShare: expertShare(config),
});
const settings = ['0', '1', '2', '3', 'policy'] as const;
const found = new Map<string, Measured[]>(settings.map((name) => [name, []]));
for (let round = 0; round < Number(values.rounds); round++) {
  for (const name of settings) {
    found.get(name)!.push(await measure(name === 'policy' ? measuredDraftDepth() : fixedDraftDepth(Number(name))));
  }
}
const of = (name: string, key: keyof Measured): number => median(found.get(name)!.map((each) => each[key]));
const ratio = (name: string): number =>
  median(found.get(name)!.map((each, round) => each.idsPerSecond / found.get('0')![round]!.idsPerSecond));
console.log('| depth | ids/s | ids a step | step, ms | cost measured | linear model | expert model | speed-up |');
console.log('|--|--|--|--|--|--|--|--|');
for (const name of settings) {
  const depth = Number(name);
  const cost = of(name, 'stepMilliseconds') / of('0', 'stepMilliseconds');
  const models = name === 'policy' ? ['', ''] : [linearCost(1, depth).toFixed(2), byExperts(1, depth).toFixed(2)];
  console.log(
    `| ${[
      name,
      of(name, 'idsPerSecond').toFixed(0),
      of(name, 'idsPerStep').toFixed(2),
      of(name, 'stepMilliseconds').toFixed(3),
      cost.toFixed(2),
      ...models,
      ratio(name).toFixed(2),
    ].join(' | ')} |`,
  );
}
console.log(`mtp_speedup ${ratio('policy').toFixed(3)}`);
