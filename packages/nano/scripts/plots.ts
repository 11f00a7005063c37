// Draws card/loss.svg and card/accept.svg from the metrics of a training run, and card/experts.svg from the experts that the
// shipped model chooses on held-out prompts. `--metrics FILE`, `--model DIR`, `--count N` dialogues.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { nativeRunner } from '@mimokit/kernels';
import { openModel } from '@mimokit/runtime';
import { modelDirectory } from '../src/index.ts';
import { fromWire, readDialogues } from './dialogues.ts';
import { barPlot, type Line, linePlot } from './svg.ts';

const { values } = parseArgs({
  options: {
    metrics: { type: 'string' },
    model: { type: 'string', default: modelDirectory() },
    set: { type: 'string', default: 'micro' },
    count: { type: 'string', default: '200' },
  },
});
const folder = fileURLToPath(new URL('../card/', import.meta.url));
mkdirSync(folder, { recursive: true });

interface Metric {
  step: number;
  tokens?: number;
  loss: number;
  acc: number;
  mtp0_acc?: number;
  mtp1_acc?: number;
  mtp2_acc?: number;
}

/** Means of `size` neighbours: single steps are noise. */
function smooth(points: readonly (readonly [number, number])[], size: number): [number, number][] {
  const out: [number, number][] = [];
  for (let at = 0; at < points.length; at += size) {
    const part = points.slice(at, at + size);
    out.push([part.at(-1)![0], part.reduce((sum, [, y]) => sum + y, 0) / part.length]);
  }
  return out;
}

if (values.metrics !== undefined) {
  const metrics = readFileSync(values.metrics, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Metric);
  const size = Math.ceil(metrics.length / 200);
  const x = ({ tokens, step }: Metric): number => (tokens ?? step * 4096) / 1e6;
  const curve = (name: string, y: (metric: Metric) => number | undefined): Line => ({
    name,
    points: smooth(
      metrics.flatMap((metric) => {
        const value = y(metric);
        return value === undefined ? [] : [[x(metric), value] as const];
      }),
      size,
    ),
  });
  const loss = curve('loss', (metric) => metric.loss);
  writeFileSync(`${folder}loss.svg`, linePlot([loss], 'million tokens', 'loss on what the assistant says'));
  // Of a chain of heads the first wrong one ends the step; independence of the heads is an estimate, eval measures it.
  const accept = (metric: Metric): number | undefined => {
    const { mtp0_acc: a, mtp1_acc: b, mtp2_acc: c } = metric;
    return a === undefined || b === undefined || c === undefined ? undefined : 1 + a + a * b + a * b * c;
  };
  const lines = [curve('accept length', accept)].filter(({ points }) => points.length > 0);
  if (lines.length > 0)
    writeFileSync(`${folder}accept.svg`, linePlot(lines, 'million tokens', 'ids a step (estimate)'));
}

await using model = await openModel(values.model, { runner: nativeRunner });
const { moeLayers, topK, experts } = model.info;
const counts = Array.from({ length: moeLayers }, () => Array.from({ length: experts }, () => 0));
for (const { messages, tools, thinking } of readDialogues(values.set === 'held' ? 'held' : 'micro').slice(
  0,
  Number(values.count),
)) {
  const request = { messages: messages.map(fromWire), tools: tools.map((tool) => tool.function), thinking };
  const { ids } = model.render(request);
  const asked = { ids, maxTokens: 40, sampling: { temperature: 0 }, wantRoutes: true };
  for await (const event of model.generate(asked)) {
    if (event.type !== 'tokens' || event.routes === undefined) continue;
    event.routes.forEach((expert, at) => counts[Math.floor(at / topK) % moeLayers]![expert]!++);
  }
}
const groups = counts.map((list, index) => {
  const total = list.reduce((sum, count) => sum + count, 0);
  return { name: `layer ${index + 1}`, values: list.map((count) => count / total) };
});
writeFileSync(`${folder}experts.svg`, barPlot(groups, 1 / experts));
for (const { name, values: shares } of groups) {
  const [least, most] = [Math.min(...shares), Math.max(...shares)].map((part) => (part * experts).toFixed(2));
  console.log(`${name}: least used expert ${least}, most used ${most} times the even share`);
}
