// Measures contestants side by side and writes what came out: `results/<name>.json` and the table of that name in README.md.
// What is measured is in the *.bench.ts files.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { type BenchResult, type BenchRow, toRow } from './row.ts';

export interface Contestant {
  readonly name: string;
  /** Instead of the race's clock: work on other threads needs another one than work on this. */
  clock?: () => number;
  /** How many passes one run is; times are those of one. Enough of them that the clock's ticks do not count. */
  passes?: number;
  /** Outside the clock, before each run. */
  prepare?: () => void | Promise<void>;
  run: () => void | Promise<void>;
}

/** Times of one contestant in milliseconds, a number a round, in the order of the rounds. */
export interface Sample {
  readonly name: string;
  readonly times: readonly number[];
  readonly median: number;
  readonly best: number;
  /** Half the distance between the quartiles as a share of the median. */
  readonly spread: number;
}

const collect: (() => void) | undefined = (globalThis as { gc?: () => void }).gc;

/** Milliseconds that pass. */
export const wallClock = (): number => performance.now();

/** Milliseconds of processor time of this thread alone: not of collectors that clear up what others have left. */
export const threadClock = (): number => {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
};

/** Milliseconds of processor time of this process: for work of one thread on a machine that others use too. */
export const processorClock = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};

/**
 * Runs all contestants once a round, each round beginning with another one: what disturbs the machine for a while disturbs
 * all of them. A round that is not counted comes first.
 */
export async function race(
  contestants: readonly Contestant[],
  rounds: number,
  clock: () => number = wallClock,
): Promise<Sample[]> {
  const times = contestants.map((): number[] => []);
  for (let round = -1; round < rounds; round++) {
    for (let i = 0; i < contestants.length; i++) {
      const which = (i + Math.max(round, 0)) % contestants.length;
      const { prepare, run, passes = 1, clock: ownClock = clock } = contestants[which];
      await prepare?.();
      collect?.();
      const from = ownClock();
      const done = run();
      if (done !== undefined) await done;
      const time = (ownClock() - from) / passes;
      if (round >= 0) times[which].push(time);
    }
  }
  return contestants.map(({ name }, i) => summarize(name, times[i]));
}

export function summarize(name: string, times: readonly number[]): Sample {
  const sorted = times.toSorted((a, b) => a - b);
  const median = quantile(sorted, 0.5);
  return {
    name,
    times,
    median,
    best: sorted[0],
    spread: (quantile(sorted, 0.75) - quantile(sorted, 0.25)) / 2 / median,
  };
}

/** The median over the rounds of how many times longer `slow` took than `fast`. */
export function ratio(fast: Sample, slow: Sample): number {
  return quantile(
    fast.times.map((time, i) => slow.times[i] / time).toSorted((a, b) => a - b),
    0.5,
  );
}

/** The value below which a share of `sorted` lies, between neighbours linearly. */
export function quantile(sorted: readonly number[], share: number): number {
  const at = (sorted.length - 1) * share;
  const low = Math.floor(at);
  return sorted[low] + (at - low) * ((sorted[low + 1] ?? sorted[low]) - sorted[low]);
}

/** Processor, cores, Node: what a result depends on besides the code. */
export function machine(): string {
  const [cpu] = cpus();
  return `${cpu.model.trim()}, ${cpus().length} cores, Node ${process.versions.node}`;
}

const results = new URL('../results/', import.meta.url);
const readme = new URL('../README.md', import.meta.url);

/** Writes the results file and replaces the table between `<!-- name -->` and `<!-- /name -->` in README.md. */
export function publish(name: string, measured: readonly BenchResult[]): void {
  const date = new Date().toISOString().slice(0, 10);
  const rows = measured.map((result) => toRow(result, machine(), date));
  mkdirSync(results, { recursive: true });
  writeFileSync(new URL(`${name}.json`, results), `${JSON.stringify(rows, null, 2)}\n`);
  const text = readFileSync(readme, 'utf8');
  const open = `<!-- ${name} -->`;
  const close = `<!-- /${name} -->`;
  const from = text.indexOf(open);
  const to = text.indexOf(close);
  if (from < 0 || to < from) throw new Error(`README.md has no place for the table: ${open} … ${close}`);
  const table = toTable(rows, measured);
  writeFileSync(readme, `${text.slice(0, from + open.length)}\n${machine()}; ${date}.\n\n${table}${text.slice(to)}`);
  process.stdout.write(table);
}

function toTable(rows: readonly BenchRow[], measured: readonly BenchResult[]): string {
  const hasBounds = rows.some(({ bound }) => bound !== null);
  const head = [
    'goal',
    'op',
    'shape',
    'median',
    'spread',
    ...(hasBounds ? ['bound', 'fraction'] : []),
    'peer',
    'ratio',
  ];
  const lines = rows.map((row, i) => {
    const { spread, boundName = '', atMost = false } = measured[i];
    const target =
      row.target === undefined ? '' : `${atMost ? '≤' : '≥'} ${row.target}${row.met === true ? ' ✓' : ' ✗'}`;
    const bound = row.bound === null ? '' : `${row.bound} ${row.unit}, ${boundName}`;
    const cells = [
      row.goal ?? '',
      row.op,
      row.shape,
      `${row.value} ${row.unit}`,
      spread === undefined ? '' : `± ${Math.round(spread * 100)} %`,
      ...(hasBounds ? [bound, row.fraction?.toFixed(3) ?? ''] : []),
      row.peer ?? '',
      row.ratio === null ? '' : `${row.ratio}x`,
      target,
    ];
    return `| ${cells.join(' | ')} |\n`;
  });
  return `| ${[...head, 'target'].join(' | ')} |\n|${'--|'.repeat(head.length + 1)}\n${lines.join('')}`;
}
