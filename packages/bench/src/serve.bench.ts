// The server under load, under clients that leave, and under an engine that is killed: `mimokit serve` on nano, one process for
// the server, one for its engine on one thread, one for all clients. `--short` takes seconds instead of minutes.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { publish, quantile } from './harness.ts';
import type { BenchResult } from './row.ts';
import { askOffline, type Question } from './serve/questions.ts';
import { Served } from './serve/served.ts';
import { type Outcome, stream } from './serve/stream.ts';

const isShort = process.argv.includes('--short');
const size = isShort
  ? { seconds: 10, disconnects: 300, kills: 5 }
  : { seconds: Number(process.env['MIMOKIT_BENCH_SECONDS'] ?? 300), disconnects: 10_000, kills: 200 };
const streams = 64;
const clients = 2 * streams;

const questions = await askOffline(64, 64);
const served = await Served.start(['--threads', '1', '--running', String(streams), '--waiting', '0']);
const rows: BenchResult[] = [];
try {
  await load(isShort ? 3 : 30);
  await served.metrics();
  rows.push(
    await overheadRow(),
    ...(await loadRows()),
    ...(await disconnectRows()),
    ...(await killRows()),
    await idleRow(),
  );
} finally {
  await served.stop();
}
publish('serve', rows);
if (rows.some(({ value, target, atMost }) => target !== undefined && (atMost ? value > target : value < target)))
  process.exitCode = 1;

interface Tally {
  outcomes: Outcome[];
  tokens: number;
  wrong: number;
}

/** Every client asks again as soon as it is answered; one that is told to come again does so when it was told to. */
async function load(seconds: number, while_?: () => Promise<void>): Promise<Tally> {
  const tally: Tally = { outcomes: [], tokens: 0, wrong: 0 };
  const latest = performance.now() + seconds * 1000;
  let isOver = false;
  const end = (): number => (isOver ? 0 : latest);
  const client = async (index: number): Promise<void> => {
    for (let turn = 0; performance.now() < end(); turn++) {
      const question: Question = questions[(index + turn * 7) % questions.length];
      const outcome = await stream(served.url, question.path, question.body);
      tally.outcomes.push(outcome);
      if (outcome.end === 'whole') {
        tally.tokens += question.tokens;
        if (outcome.text !== question.answer) tally.wrong++;
      }
      if (outcome.end === 'busy') await pause(outcome.retryAfterMs * (1 + (index % 8) / 8));
    }
  };
  const running = Promise.all(Array.from({ length: clients }, (_, index) => client(index)));
  if (while_ !== undefined) {
    await while_();
    isOver = true;
  }
  await running;
  return tally;
}

async function loadRows(): Promise<BenchResult[]> {
  await served.metrics();
  const started = performance.now();
  const bystander = idleLag();
  // The heap takes a while to find its size: drift is that of the later two thirds.
  const early = await load(size.seconds / 3);
  const memory = served.residentBytes();
  const late = await load((size.seconds * 2) / 3);
  const machineLag = await bystander();
  const seconds = (performance.now() - started) / 1000;
  const lag = (await served.metrics()).get('nodejs_eventloop_lag_p99_seconds') ?? Number.NaN;
  const outcomes = [...early.outcomes, ...late.outcomes];
  const [tokens, wrong] = [early.tokens + late.tokens, early.wrong + late.wrong];
  const drift = (served.residentBytes() / memory - 1) * 100;
  const whole = outcomes.filter(({ end }) => end === 'whole');
  const first = whole.map(({ firstTokenMs }) => firstTokenMs).sort((a, b) => a - b);
  const shape = `${clients} clients, ${streams} places, ${Math.round(seconds)} s`;
  const lost = outcomes.filter(({ end }) => end === 'cut' || end === 'error').length;
  const row = (op: string, value: number, unit: string, target?: number): BenchResult =>
    target === undefined ? { op, shape, value, unit } : { op, shape, value, unit, target, atMost: true };
  return [
    row('streams not equal to offline greedy', wrong, `of ${whole.length}`, 0),
    row('streams lost', lost, `of ${outcomes.length}`, 0),
    row('answered 429', outcomes.filter(({ end }) => end === 'busy').length, `of ${outcomes.length}`),
    row('throughput', tokens / seconds, 'tokens/s'),
    row('first token, median', quantile(first, 0.5), 'ms'),
    row('first token, p99', quantile(first, 0.99), 'ms'),
    row('event loop of the server, p99', lag * 1000, 'ms', 50),
    row('event loop of an idle process beside it, p99', machineLag, 'ms'),
    row('memory drift of the server', drift, '%', 3),
  ];
}

/** As many long streams as there are places, and nobody else. */
async function overheadRow(): Promise<BenchResult> {
  const length = isShort ? 128 : 1024;
  const body = { model: 'nano', stream: true, max_tokens: length, ignore_eos: true };
  const processor = served.processorSeconds();
  const prompts = Array.from({ length: streams }, (_, index) => `What is ${index + 3} * 5?`);
  const outcomes = await Promise.all(
    prompts.map((prompt) => stream(served.url, '/v1/completions', { ...body, prompt })),
  );
  const whole = outcomes.filter(({ end }) => end === 'whole').length;
  const value = ((served.processorSeconds() - processor) / (whole * length)) * 1e6;
  const shape = `${whole} streams of ${length} tokens, engine loop included`;
  return { op: 'processor time of the server', shape, value, unit: 'µs/token', target: 20, atMost: true };
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
  const tally = await load(3600, async () => {
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
  const script = `const m = require('node:perf_hooks').monitorEventLoopDelay({ resolution: 10 }); m.enable();
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

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
