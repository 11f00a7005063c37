// C6: is speculation by the MTP heads ever a loss? 200 chats with nano, the controller on and off in turn, the order alternated; then fixed
// depths beside what the controller's cost model says of them. `--force` measures on a busy machine too and writes nothing.
import { readFileSync } from 'node:fs';
import { nativeRunner } from '@mimokit/kernels';
import { modelDirectory } from '@mimokit/nano';
import type { Message } from '@mimokit/protocol';
import { type DraftPolicy, fixedDraftDepth, type LocalModel, measuredDraftDepth, openModel } from '@mimokit/runtime';
import { requireQuiet } from './busy.ts';
import { publish, quantile } from './harness.ts';
import type { BenchResult } from './row.ts';

interface Dialogue {
  thinking: boolean;
  messages: Message[];
}
/** What one chat took, and what its steps were. */
interface Answer {
  milliseconds: number;
  text: string;
}
/** Decode steps of one depth: their time, and how often each draft after accepted ones was accepted. */
interface Steps {
  steps: number;
  milliseconds: number;
  emitted: number;
  proposed: number[];
  accepted: number[];
}

const force = process.argv.includes('--force');
const chats = 200;
const rounds = Number(process.env['MIMOKIT_BENCH_ROUNDS'] ?? 7);
const maxTokens = 96;
const resamples = 4000;

await requireQuiet(force);
const file = new URL('../../nano/eval/dialogues.jsonl', import.meta.url);
const dialogues = readFileSync(file, 'utf8')
  .split('\n', chats)
  .map((line) => JSON.parse(line) as Dialogue);

/** Steps of depth `depth` alone are counted: the last ones of an answer draft less. */
function open(drafts: DraftPolicy, depth?: number, count?: Steps): Promise<LocalModel> {
  return openModel(modelDirectory(), {
    runner: nativeRunner,
    runnerOptions: { threads: 1 },
    prefixCache: false,
    drafts,
    onStep(step) {
      if (count === undefined || step.tokens !== 1 + step.drafts || step.drafts !== depth) return;
      count.steps++;
      count.milliseconds += step.milliseconds;
      count.emitted += step.emitted;
      for (let draft = 0; draft < Math.min(step.drafts, step.emitted); draft++) {
        count.proposed[draft] = (count.proposed[draft] ?? 0) + 1;
        count.accepted[draft] = (count.accepted[draft] ?? 0) + (draft < step.emitted - 1 ? 1 : 0);
      }
    },
  });
}

async function chat(model: LocalModel, { messages, thinking }: Dialogue): Promise<Answer> {
  const from = performance.now();
  const { reasoning = '', content } = await model.chat({ messages, thinking, maxTokens }).message();
  return { milliseconds: performance.now() - from, text: `${reasoning}\n${content}` };
}

const median = (values: readonly number[]): number =>
  quantile(
    values.toSorted((a, b) => a - b),
    0.5,
  );
const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

/** Per chat: medians of the times with the controller off and on. */
async function paired(): Promise<{ off: number[]; on: number[] }> {
  await using off = await open(fixedDraftDepth(0));
  await using on = await open(measuredDraftDepth());
  const times = dialogues.map(() => ({ off: [] as number[], on: [] as number[] }));
  for (let round = -1; round < rounds; round++) {
    for (const [index, dialogue] of dialogues.entries()) {
      const isOffFirst = (index + round) % 2 === 0;
      const first = await chat(isOffFirst ? off : on, dialogue);
      const second = await chat(isOffFirst ? on : off, dialogue);
      if (first.text !== second.text) throw new Error(`Chat ${index} has another answer with drafts.`);
      if (round < 0) continue;
      times[index]!.off.push((isOffFirst ? first : second).milliseconds);
      times[index]!.on.push((isOffFirst ? second : first).milliseconds);
    }
  }
  return { off: times.map((time) => median(time.off)), on: times.map((time) => median(time.on)) };
}

/** The value that 97.5 % of resampled sets of chats exceed. */
function lowerBound(off: readonly number[], on: readonly number[]): number {
  let state = 1;
  const random = (): number => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32;
  const ratios = Array.from({ length: resamples }, () => {
    let [slow, fast] = [0, 0];
    for (let i = 0; i < off.length; i++) {
      const which = Math.floor(random() * off.length);
      slow += off[which]!;
      fast += on[which]!;
    }
    return slow / fast;
  });
  return quantile(
    ratios.toSorted((a, b) => a - b),
    0.025,
  );
}

/** Fixed depths over half of the chats tell the model its numbers; the other half is predicted and measured. */
async function depths(maxDraft: number): Promise<BenchResult[]> {
  const none = (): Steps => ({ steps: 0, milliseconds: 0, emitted: 0, proposed: [], accepted: [] });
  const known = Array.from({ length: maxDraft + 1 }, none);
  const found = Array.from({ length: maxDraft + 1 }, none);
  const models: { known: LocalModel; found: LocalModel }[] = [];
  for (let depth = 0; depth <= maxDraft; depth++) {
    const policy = fixedDraftDepth(depth);
    models.push({ known: await open(policy, depth, known[depth]!), found: await open(policy, depth, found[depth]!) });
  }
  for (let round = 0; round < Math.ceil(rounds / 2); round++) {
    for (const [index, dialogue] of dialogues.entries()) {
      for (const model of models) await chat(index % 2 === 0 ? model.known : model.found, dialogue);
    }
  }
  const time = (steps: Steps): number => steps.milliseconds / steps.steps;
  const rates = known[maxDraft]!.accepted.map((accepted, draft) => accepted / known[maxDraft]!.proposed[draft]!);
  return found.map((steps, depth) => {
    let [expected, chance] = [1, 1];
    for (const rate of rates.slice(0, depth)) expected += chance *= rate;
    const predicted = (expected * time(known[0]!)) / time(known[depth]!);
    const measured = (steps.emitted / steps.milliseconds) * time(found[0]!);
    return {
      goal: 'C6',
      op: 'speed-up beside the cost model',
      shape: `${depth} drafts: ${measured.toFixed(3)} measured, ${predicted.toFixed(3)} predicted, ${(steps.emitted / steps.steps).toFixed(2)} ids a step`,
      value: measured / predicted,
      unit: 'of the prediction',
      target: 0.9,
    };
  });
}

const { off, on } = await paired();
const perChat = off.map((time, index) => time / on[index]!);
const shape = `${chats} chats of at most ${maxTokens} tokens, median of ${rounds} rounds`;
const results: BenchResult[] = [
  { op: 'speed-up by the MTP controller', shape, value: sum(off) / sum(on), unit: 'times' },
  { goal: 'C6', op: 'lower 95 % bound of it', shape, value: lowerBound(off, on), unit: 'times', target: 0.98 },
  { goal: 'C6', op: 'speed-up of the slowest chat', shape, value: Math.min(...perChat), unit: 'times', target: 0.95 },
  { op: 'median speed-up of a chat', shape, value: median(perChat), unit: 'times' },
  ...(await depths(3)),
];
if (force) console.table(results.map(({ op, shape, value, target }) => ({ op, shape, value, target })));
else publish('mtp', results);
