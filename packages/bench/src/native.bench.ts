// The CPU kernels beside the machine's limits: runs a Rust bench of mimokit_cpu, whose loops hold the clocks, and publishes what it
// printed. `kernels`, `attention`, `layer` or `open`, then --force (on a busy machine too), --rounds N, --dry (no files written);
// --from FILE publishes the lines of a Rust bench that ran by itself.
import { spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createInterface } from 'node:readline';
import { requireQuiet } from './busy.ts';
import { publish, summarize } from './harness.ts';
import type { BenchResult } from './row.ts';

/** A line of benches/report.rs. */
interface Measured {
  goal: string | null;
  target: number | null;
  op: string;
  shape: string;
  unit: string;
  /** What the bounds are; empty when there are none. */
  bound: string;
  values: number[];
  bounds: number[];
}

/** Words for the Rust bench, a run each. */
const suites: Record<string, string[]> = {
  kernels: ['gemv', 'gemm'],
  attention: ['attention'],
  layer: ['layer'],
  open: ['open'],
};

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    force: { type: 'boolean', default: false },
    dry: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '25' },
    from: { type: 'string' },
  },
});
const name = positionals[0] ?? '';
const suite = suites[name];
if (suite === undefined) throw new Error(`There is no bench ${name}; known: ${Object.keys(suites).join(', ')}`);

const root = fileURLToPath(new URL('../../../', import.meta.url));
const cargo = ['bench', '--quiet', '-p', 'mimokit_cpu', '--bench', 'ops'];
const lines = values.from === undefined ? await measure(suite) : parse(readFileSync(values.from, 'utf8').split('\n'));
const results = lines.map(toResult);
if (!values.dry) publish(name, results);

async function measure(words: readonly string[]): Promise<Measured[]> {
  const built = spawnSync('cargo', [...cargo, '--no-run'], { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
  if (built.status !== 0) throw new Error('The Rust bench does not build.');
  await requireQuiet(values.force);
  const printed: string[] = [];
  for (const word of words) {
    const args = [...cargo, '--', word, '--rounds', values.rounds];
    const child = spawn('cargo', args, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] });
    const exit = new Promise<number | null>((resolve) => child.on('close', resolve));
    for await (const line of createInterface({ input: child.stdout })) printed.push(line);
    if ((await exit) !== 0) throw new Error(`cargo ${args.join(' ')} failed`);
  }
  return parse(printed);
}

function parse(printed: readonly string[]): Measured[] {
  return printed.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as Measured);
}

function toResult({ goal, target, op, shape, unit, bound, values: measured, bounds }: Measured): BenchResult {
  const value = summarize(op, measured);
  const isTime = unit === 'µs' || unit === 'ms';
  return {
    op,
    shape,
    value: value.median,
    unit,
    spread: value.spread,
    ...(goal === null ? {} : { goal }),
    ...(target === null ? {} : { target, atMost: isTime }),
    ...(bound === '' ? {} : { bound: summarize(bound, bounds).median, boundName: bound }),
  };
}
