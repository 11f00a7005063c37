// What self-speculation is worth at batch 1 on this machine: ids per second of decode steps at depths 0 to 3 and with the
// engine's own policy, beside what two cost models predict. Depths take turns; medians over the rounds. Idle machines only.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
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
import type { Dialogue } from './dialogues.ts';
import type { Report } from './report.ts';
import { runDialogue } from './run-dialogue.ts';

/** Costs are in steps without drafts. */
export interface DepthRow {
  depth: number | 'policy';
  ids_per_second: number;
  ids_per_step: number;
  step_ms: number;
  cost: number;
  cost_linear?: number;
  cost_experts?: number;
  speedup: number;
}

const rounds = 7;

interface Measured {
  idsPerSecond: number;
  idsPerStep: number;
  stepMilliseconds: number;
}

/** Decode steps only: a prompt takes what it takes. */
async function measure(directory: string, dialogues: readonly Dialogue[], drafts: DraftPolicy): Promise<Measured> {
  const steps: StepRecord[] = [];
  await using model = await openModel(directory, {
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

export async function speed(directory: string, dialogues: readonly Dialogue[], report: Report): Promise<DepthRow[]> {
  const config = JSON.parse(readFileSync(join(directory, 'config.json'), 'utf8')) as Shape;
  const byExperts = expertCost({
    experts: config.n_routed_experts,
    topK: config.num_experts_per_tok,
    expertShare: expertShare(config),
  });
  const settings = [0, 1, 2, 3, 'policy'] as const;
  const found = new Map<number | 'policy', Measured[]>(settings.map((depth) => [depth, []]));
  for (let round = 0; round < rounds; round++) {
    for (const depth of settings) {
      const drafts = depth === 'policy' ? measuredDraftDepth() : fixedDraftDepth(depth);
      found.get(depth)!.push(await measure(directory, dialogues, drafts));
    }
  }
  const of = (depth: number | 'policy', key: keyof Measured): number =>
    median(found.get(depth)!.map((one) => one[key]));
  const ratios = (depth: number | 'policy'): number[] =>
    found.get(depth)!.map(({ idsPerSecond }, round) => idsPerSecond / found.get(0)![round]!.idsPerSecond);
  const rows = settings.map((depth): DepthRow => ({
    depth,
    ids_per_second: Math.round(of(depth, 'idsPerSecond')),
    ids_per_step: Number(of(depth, 'idsPerStep').toFixed(2)),
    step_ms: Number(of(depth, 'stepMilliseconds').toFixed(3)),
    cost: Number((of(depth, 'stepMilliseconds') / of(0, 'stepMilliseconds')).toFixed(2)),
    ...(depth !== 'policy' && {
      cost_linear: Number(linearCost(1, depth).toFixed(2)),
      cost_experts: Number(byExperts(1, depth).toFixed(2)),
    }),
    speedup: Number(median(ratios(depth)).toFixed(2)),
  }));
  const list = ratios('policy');
  // Lowest and highest of seven rounds hold the median with 98%.
  report.add('mtp_speedup', `of ${rounds} rounds`, median(list), [Math.min(...list), Math.max(...list)], (value) =>
    value.toFixed(3),
  );
  console.log('| depth | ids/s | ids a step | step, ms | cost measured | linear model | expert model | speed-up |');
  console.log('|--|--|--|--|--|--|--|--|');
  for (const row of rows) {
    const { depth, ids_per_second: rate, ids_per_step: ids, step_ms: milliseconds, cost, speedup } = row;
    const models = [row.cost_linear ?? '', row.cost_experts ?? ''];
    console.log(`| ${[depth, rate, ids, milliseconds, cost, ...models, speedup].join(' | ')} |`);
  }
  return rows;
}
