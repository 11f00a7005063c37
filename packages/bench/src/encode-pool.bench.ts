// How long the event loop of a server is held up while 10 MB of text is encoded (C9): on other threads, and beside it on its own.
// A timer of one millisecond is watched; it is late by up to its own resolution also when nothing runs, which a row says.
import { setTimeout as sleep } from 'node:timers/promises';
import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import { loadMimoTokenizer } from '@mimokit/tokenizer/mimo';
import { openEncodePool } from '@mimokit/tokenizer/pool';
import { publish, quantile } from './harness.ts';
import { type Language, text } from './texts.ts';

const rounds = Number(process.env['MIMOKIT_BENCH_ROUNDS'] ?? 9);
/** Milliseconds of the watching timer. */
const resolution = 1;
const encoder = new TextEncoder();
const mimo = await loadMimoTokenizer();
await using pool = await openEncodePool('mimo', { threads: 1 });

/** 10 MB of text as one flat string, as JSON.parse leaves it. */
function tenMegabytes(language: Language): string {
  const piece = text(language);
  const times = Math.ceil(10e6 / encoder.encode(piece).length);
  return JSON.parse(JSON.stringify(piece.repeat(times))) as string;
}

interface Watched {
  /** Milliseconds between two turns of the event loop beyond the timer's own, one in a hundred and the longest. */
  p99: number;
  longest: number;
  milliseconds: number;
}

/** Watches the event loop while `run` runs. */
async function watch(run: () => Promise<unknown>): Promise<Watched> {
  const delay = monitorEventLoopDelay({ resolution });
  delay.enable();
  // The first turn only starts the clock.
  await sleep(5);
  const from = performance.now();
  await run();
  const milliseconds = performance.now() - from;
  // One more turn, so that a run that never left the event loop is seen at all.
  await sleep(2);
  delay.disable();
  const stall = (nanoseconds: number): number => Math.max(0, nanoseconds / 1e6 - resolution);
  return { p99: stall(delay.percentile(99)), longest: stall(delay.max), milliseconds };
}

const median = (values: readonly number[]): number =>
  quantile(
    values.toSorted((a, b) => a - b),
    0.5,
  );

/** Medians over the rounds; a round that is not counted comes first. */
async function repeat(run: () => Promise<unknown>): Promise<Watched> {
  const seen: Watched[] = [];
  for (let round = -1; round < rounds; round++) {
    const watched = await watch(run);
    if (round >= 0) seen.push(watched);
  }
  return {
    p99: median(seen.map(({ p99 }) => p99)),
    longest: median(seen.map(({ longest }) => longest)),
    milliseconds: median(seen.map(({ milliseconds }) => milliseconds)),
  };
}

const rows = [];
const idle = await repeat(() => sleep(300));
rows.push({ op: 'event-loop stall, p99', shape: 'nothing runs', value: idle.p99, unit: 'ms' });
rows.push({ op: 'event-loop stall, longest', shape: 'nothing runs', value: idle.longest, unit: 'ms' });
for (const language of ['en', 'code', 'ko', 'zh'] as const) {
  const long = tenMegabytes(language);
  const wanted = mimo.encode(long);
  const pooled = await repeat(async () => {
    const ids = await pool.encode(long);
    if (ids.length !== wanted.length || ids.at(-1) !== wanted.at(-1)) throw new Error('other ids');
  });
  const shape = `${language}, 10 MB in ${Math.round(pooled.milliseconds)} ms, ${wanted.length} ids`;
  rows.push({
    goal: 'C9',
    op: 'event-loop stall, p99, encoding in a pool',
    shape,
    value: pooled.p99,
    unit: 'ms',
    target: 5,
    atMost: true,
  });
  rows.push({ op: 'event-loop stall, longest, encoding in a pool', shape, value: pooled.longest, unit: 'ms' });
  const here = await repeat(async () => void mimo.encode(long));
  rows.push({
    op: 'event-loop stall, longest, encoding on this thread',
    shape: `${language}, 10 MB in ${Math.round(here.milliseconds)} ms`,
    value: here.longest,
    unit: 'ms',
  });
}
publish('encode-pool', rows);
