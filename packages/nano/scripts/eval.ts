// Measures the shipped model through MimoKit's own CPU engine, greedy: the held-out dialogues with all MTP heads, what drafts
// are worth at batch 1, and how often FP8 picks what BF16 picks. Prints every figure with its 95% interval; what was measured
// on whole sets of the shipped model is written to eval.json, beside the hash of its weights. `--set micro|held`, `--count N` the
// first N dialogues, `--only dialogues|speed|agreement`, `--model DIR`, `--bf16 DIR`, `--failures` shows misses.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { modelDirectory } from '../src/index.ts';
import { agreement } from './agreement.ts';
import { isDialogueSet, readDialogues } from './dialogues.ts';
import { judge } from './judge.ts';
import { type Interval, Report } from './report.ts';
import { type DepthRow, speed } from './speed.ts';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const { values } = parseArgs({
  options: {
    set: { type: 'string', default: 'micro' },
    count: { type: 'string', default: '100000' },
    only: { type: 'string', default: 'dialogues,speed,agreement' },
    model: { type: 'string', default: modelDirectory() },
    bf16: { type: 'string', default: here('../train/.runs/bf16') },
    failures: { type: 'boolean', default: false },
  },
});
if (!isDialogueSet(values.set)) throw new Error(`--set ${values.set}: micro or held`);
const parts = values.only.split(',');
const all = readDialogues(values.set);
const dialogues = all.slice(0, Number(values.count));

/** eval.json: plain fractions, figures of one file of weights. */
interface Evaluation {
  weights: string;
  set: string;
  dialogues: number;
  figures: Record<string, number>;
  intervals: Record<string, Interval>;
  depths?: readonly DepthRow[];
}

const path = here('../eval.json');
const weights = createHash('sha256')
  .update(readFileSync(join(values.model, 'model.safetensors')))
  .digest('hex');

/** Figures of an earlier run stay if they are of these weights and this set. */
function earlier(): Evaluation {
  const fresh = { weights, set: values.set, dialogues: all.length, figures: {}, intervals: {} };
  if (!existsSync(path)) return fresh;
  const { weights: of, set, dialogues: count, intervals, depths, ...figures } = JSON.parse(readFileSync(path, 'utf8'));
  if (of !== weights || set !== values.set) return fresh;
  return { weights: of, set, dialogues: count, figures, intervals, ...(depths !== undefined && { depths }) };
}

const report = new Report();
let depths: readonly DepthRow[] | undefined;
if (parts.includes('dialogues')) await judge(values.model, dialogues, report, values.failures);
if (parts.includes('agreement')) {
  if (existsSync(values.bf16)) await agreement(values.model, values.bf16, dialogues.slice(0, 300), report);
  else console.log('fp8_agreement needs the weights before rounding: python -m train --only export --bf16');
}
if (parts.includes('speed')) depths = await speed(values.model, dialogues.slice(0, 16), report);

if (dialogues.length === all.length && values.model === modelDirectory()) {
  const { figures, intervals, depths: before, ...head } = earlier();
  const merged = {
    ...head,
    ...figures,
    ...report.figures,
    intervals: { ...intervals, ...report.intervals },
    depths: depths ?? before,
  };
  writeFileSync(path, `${JSON.stringify(merged, null, 2)}\n`);
}
