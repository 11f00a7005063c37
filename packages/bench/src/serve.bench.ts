// The server under load, under clients that leave, and under an engine that is killed: `mimokit serve` on nano, one process for
// the server, one for its engine on one thread, one for all clients. `--short` takes half a minute, judges what holds on any machine
// and in so short a time (answers, losses, cuts, everything free), and writes nothing.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { publish, quantile } from './harness.ts';
import type { BenchResult, BenchRow } from './row.ts';
import { firstTokens, load, pause, type Tally } from './serve/load.ts';
import { askOffline } from './serve/questions.ts';
import { Served } from './serve/served.ts';
import { type Outcome, stream } from './serve/stream.ts';

const isShort = process.argv.includes('--short');
/** `--only=overhead`, `load`, `disconnects` or `kills`: the rest of the table stays as it was measured last. */
const only = process.argv.find((each) => each.startsWith('--only='))?.slice(7);
const wants = (part: string): boolean => only === undefined || only === part;
const size = isShort
  ? { seconds: 8, disconnects: 300, kills: 4 }
  : { seconds: Number(process.env['MIMOKIT_BENCH_SECONDS'] ?? 300), disconnects: 10_000, kills: 200 };
/** Units of rows that want minutes, compiled code and a machine that does nothing else. */
const timed = new Set(['ms', '%', 'µs/token']);
/** Between two looks of Node's event loop histogram; it counts the wait itself as delay. */
const lookMs = 10;
const streams = 64;
const clients = 2 * streams;

const questions = await askOffline(64, 64);
const served = await Served.start(['--threads', '1', '--running', String(streams), '--waiting', '0']);
const rows: BenchResult[] = [];
try {
  await underLoad(isShort ? 3 : 10);
  await served.metrics();
  rows.push(
    ...(wants('overhead') ? [await overheadRow()] : []),
    ...(wants('load') ? await loadRows() : []),
    ...(wants('disconnects') ? await disconnectRows() : []),
    ...(wants('kills') ? await killRows() : []),
    await idleRow(),
  );
} finally {
  await served.stop();
}
for (const { op, value, unit } of rows) console.log(`${op}: ${Number(value.toPrecision(4))} ${unit}`);
if (!isShort) publish('serve', merged(rows));
for (const { op, value, target, unit } of rows) {
  if (target === undefined || value <= target || (isShort && timed.has(unit))) continue;
  console.error(`missed: ${op} is ${value} ${unit}, at most ${target} were wanted`);
  process.exitCode = 1;
}

/** With the last results of the parts that were left out. */
function merged(fresh: readonly BenchResult[]): BenchResult[] {
  if (only === undefined) return [...fresh];
  const file = new URL('../results/serve.json', import.meta.url);
  const earlier = (JSON.parse(readFileSync(file, 'utf8')) as BenchRow[]).map(
    ({ op, shape, value, unit, target }): BenchResult =>
      target === undefined ? { op, shape, value, unit } : { op, shape, value, unit, target, atMost: true },
  );
  // The length of a load is in its shape; rows of one part share it up to the number.
  const kindOf = ({ op, shape }: BenchResult): string => `${op}|${shape.replaceAll(/\d+/g, '')}`;
  const kinds = new Set(fresh.map(kindOf));
  const at = earlier.findIndex((row) => kinds.has(kindOf(row)));
  const rest = earlier.filter((row) => !kinds.has(kindOf(row)));
  return [...rest.slice(0, Math.max(0, at)), ...fresh, ...rest.slice(Math.max(0, at))];
}

/** Twice as many clients as places; for `seconds`, or until `meanwhile` is done. */
async function underLoad(seconds: number, meanwhile?: () => Promise<void>): Promise<Tally> {
  let isOver = false;
  const goesOn = (_: number, started: number): boolean => !isOver && performance.now() < started + seconds * 1000;
  const running = load({ url: served.url, questions, clients, goesOn });
  if (meanwhile !== undefined) {
    await meanwhile();
    isOver = true;
  }
  return running;
}

async function loadRows(): Promise<BenchResult[]> {
  await served.metrics();
  const started = performance.now();
  const bystander = idleLag();
  // The heap takes a while to find its size: drift is that of the later two thirds.
  const early = await underLoad(size.seconds / 3);
  const memory = served.residentBytes();
  const late = await underLoad((size.seconds * 2) / 3);
  const machineLag = await bystander();
  const seconds = (performance.now() - started) / 1000;
  const lag = (await served.metrics()).get('nodejs_eventloop_lag_p99_seconds') ?? Number.NaN;
  const outcomes = [...early.outcomes, ...late.outcomes];
  const [tokens, wrong] = [early.tokens + late.tokens, early.wrong + late.wrong];
  const drift = (served.residentBytes() / memory - 1) * 100;
  const whole = outcomes.filter(({ end }) => end === 'whole');
  const first = firstTokens({ outcomes });
  const shape = `${clients} clients, ${streams} places, ${Math.round(seconds)} s`;
  const lost = outcomes.filter(({ end }) => end === 'cut' || end === 'error').length;
  const row = (op: string, value: number, unit: string, target?: number): BenchResult =>
    target === undefined ? { op, shape, value, unit } : { op, shape, value, unit, target, atMost: true };
  return [
    row('streams not equal to offline greedy', wrong, `of ${whole.length}`, 0),
    row('streams lost', lost, `of ${outcomes.length}`, 0),
    row('answered 429', outcomes.filter(({ end }) => end === 'busy').length, `of ${outcomes.length}`),
    row('throughput', tokens / seconds, 'tokens/s'),
    row('first token, median', first.median, 'ms'),
    row('first token, p99', first.p99, 'ms'),
    row('event loop of the server held up, p99', lag * 1000 - lookMs, 'ms', 50),
    row('event loop of an idle process beside it held up, p99', machineLag - lookMs, 'ms'),
    row('memory drift of the server', drift, '%', 3),
  ];
}

/** As many long streams as there are places, and nobody else. */
async function overheadRow(): Promise<BenchResult> {
  const length = isShort ? 128 : 1024;
  const body = { model: 'nano', stream: true, max_tokens: length, ignore_eos: true };
  const prompts = Array.from({ length: streams }, (_, index) => `What is ${index + 3} * 5?`);
  const round = async (): Promise<number> => {
    const processor = served.processorSeconds();
    const outcomes = await Promise.all(
      prompts.map((prompt) => stream(served.url, '/v1/completions', { ...body, prompt })),
    );
    const whole = outcomes.filter(({ end }) => end === 'whole').length;
    if (whole < streams) throw new Error(`only ${whole} of ${streams} streams came whole`);
    return ((served.processorSeconds() - processor) / (whole * length)) * 1e6;
  };
  // A server that runs for days has compiled its code; the first round is of one that has not.
  const first = await round();
  const rounds: number[] = [];
  while (rounds.length < (isShort ? 1 : 7)) rounds.push(await round());
  rounds.sort((a, b) => a - b);
  const shape = `${streams} streams of ${length} tokens, engine loop included; ${first.toFixed(1)} in the first round`;
  return {
    op: 'processor time of the server',
    shape,
    value: quantile(rounds, 0.5),
    unit: 'µs/token',
    target: 20,
    atMost: true,
    spread: (rounds.at(-1)! - rounds[0]!) / 2 / quantile(rounds, 0.5),
  };
}

/** Clients that go after any number of bytes of the answer, a few at a time; then everything must be free within a second. */
async function disconnectRows(): Promise<BenchResult[]> {
  let left = 0;
  let at = 0;
  const client = async (): Promise<void> => {
    while (at < size.disconnects) {
      const index = at++;
      const { path, body } = questions[index % questions.length];
      const { end } = await stream(served.url, path, body, (index * 7919) % 6000);
      if (end === 'left') left++;
    }
  };
  await Promise.all(Array.from({ length: 16 }, client));
  const started = performance.now();
  while ((await figure('windows_live')) > 0 && performance.now() - started < 10_000) await pause(10);
  const shape = `${size.disconnects} requests, ${left} left in mid-answer`;
  return [
    {
      op: 'everything free again after the last',
      shape,
      value: performance.now() - started,
      unit: 'ms',
      target: 100,
      atMost: true,
    },
  ];
}

/** The engine dies under load, again and again. */
async function killRows(): Promise<BenchResult[]> {
  const back: number[] = [];
  const tally = await underLoad(3600, async () => {
    for (let kill = 0; kill < size.kills; kill++) {
      await pause(300 + ((kill * 97) % 400));
      const pid = served.enginePid();
      if (pid === undefined) throw new Error('there is no engine to kill');
      const started = performance.now();
      process.kill(pid, 'SIGKILL');
      while (!isAnother(served.enginePid(), pid) || !(await served.isReady())) await pause(10);
      back.push(performance.now() - started);
    }
  });
  back.sort((a, b) => a - b);
  const shape = `${size.kills} kills of the engine under ${clients} clients`;
  const count = (end: Outcome['end']): number => tally.outcomes.filter((outcome) => outcome.end === end).length;
  const row = (op: string, value: number, unit: string, target: number): BenchResult => ({
    op,
    shape,
    value,
    unit,
    target,
    atMost: true,
  });
  return [
    row('engine back, p99', quantile(back, 0.99), 'ms', 2000),
    row('silent cuts', count('cut'), `of ${tally.outcomes.length}`, 0),
    row('streams not equal to offline greedy', tally.wrong, `of ${count('whole')}`, 0),
    { op: 'ended in a typed error', shape, value: count('error'), unit: `of ${tally.outcomes.length}` },
    row('server down', served.isUp ? 0 : 1, 'times', 0),
  ];
}

/** What this machine makes an idle process wait, meanwhile: the part of the server's figure that is not the server's. */
function idleLag(): () => Promise<number> {
  const script = `const m = require('node:perf_hooks').monitorEventLoopDelay({ resolution: ${lookMs} }); m.enable();
    process.stdin.on('end', () => console.log(m.percentile(99) / 1e6)).resume();`;
  const child = spawn(process.execPath, ['-e', script], { stdio: ['pipe', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.on('data', (bytes: Buffer) => {
    output += bytes.toString();
  });
  return async () => {
    child.stdin.end();
    await once(child, 'exit');
    return Number(output);
  };
}

function isAnother(now: number | undefined, before: number): boolean {
  return now !== undefined && now !== before;
}

async function idleRow(): Promise<BenchResult> {
  await pause(200);
  const held = (await figure('windows_live')) + (await figure('running')) + (await figure('waiting'));
  return {
    op: 'windows and sequences still held',
    shape: 'at the end',
    value: held,
    unit: '',
    target: 0,
    atMost: true,
  };
}

async function figure(what: string): Promise<number> {
  return (await served.metrics()).get(`mimokit_engine{model="nano",what="${what}"}`) ?? Number.NaN;
}
