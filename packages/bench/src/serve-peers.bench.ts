// `mimokit serve` beside llama.cpp's server: SmolLM2's weights in both, one load generator, one after the other on the same
// machine. MIMOKIT_SMOLLM2 names the folder with the converted checkpoints, MIMOKIT_SMOLLM2_GGUF their source as GGUF
// (F16 holds the very weights, Q8_0 is what people run). One argument of `ours` or `llama` measures that one alone.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { nativeRunner } from '@mimokit/kernels';
import { openModel } from '@mimokit/runtime';
import { publish } from './harness.ts';
import type { BenchResult } from './row.ts';
import { Llama } from './serve/llama.ts';
import { firstTokens, load } from './serve/load.ts';
import { answersTo, deepBody, malformedBodies } from './serve/malformed.ts';
import type { Question } from './serve/questions.ts';
import { Served } from './serve/served.ts';
import { stream } from './serve/stream.ts';

const streams = 64;
const seconds = 30;
const length = 64;
const threads = 2;

/** What one server did. */
interface Figures {
  model: string;
  tokensPerSecond: number;
  firstMedianMs: number;
  firstP99Ms: number;
  answers: number;
  wrong: number;
  notWhole: number;
  failed: number;
  dropped: number;
  survivesDepth: boolean;
}

const folder = process.env['MIMOKIT_SMOLLM2'];
const gguf = process.env['MIMOKIT_SMOLLM2_GGUF'];
if (folder === undefined || gguf === undefined) {
  console.error(
    'MIMOKIT_SMOLLM2 and MIMOKIT_SMOLLM2_GGUF must name the two forms of the model; see the head of this file.',
  );
  process.exit(2);
}
const directory = join(folder, process.env['MIMOKIT_SMOLLM2_FORM'] ?? 'bf16-dense');
const kept = new URL('../.results/serve-peers.parts.json', import.meta.url);
const parts: Record<string, Figures> = existsSync(kept)
  ? (JSON.parse(readFileSync(kept, 'utf8')) as Record<string, Figures>)
  : {};
const only = process.argv[2];
if (only !== 'llama') parts['ours'] = await ours();
if (only !== 'ours') parts['llama'] = await llama();
mkdirSync(new URL('.', kept), { recursive: true });
writeFileSync(kept, `${JSON.stringify(parts, null, 2)}\n`);
if (parts['ours'] && parts['llama']) publish('serve-peers', rows(parts['ours'], parts['llama']));

function prompts(): string[] {
  return Array.from(
    { length: 16 },
    (_, index) =>
      `Chapter ${index + 1}. The keeper of the lighthouse wrote ${index + 3} letters that winter, and in every one of them he told ` +
      `of the sea, the birds, the ships that passed, and of a visitor who came on day ${index * 7 + 2}. The first letter begins:`,
  );
}

function questionOf(model: string, prompt: string, answer: string): Question {
  const body = { model, stream: true, prompt, max_tokens: length, temperature: 0, ignore_eos: true };
  return { path: '/v1/completions', body, answer, tokens: length };
}

async function ours(): Promise<Figures> {
  const questions: Question[] = [];
  {
    await using model = await openModel(directory, { runner: nativeRunner, runnerOptions: { threads } });
    for (const prompt of prompts()) {
      const ids: number[] = [];
      for await (const event of model.generate({ ids: model.tokenize(prompt), maxTokens: length, ignoreEos: true })) {
        if (event.type === 'tokens') ids.push(...event.ids);
      }
      questions.push(questionOf('m', prompt, model.detokenize(ids)));
    }
  }
  const served = await Served.start(
    ['--threads', String(threads), '--running', String(streams), '--waiting', String(streams)],
    { directory, name: 'm' },
  );
  try {
    return await measure(served, questions, directory.split('/').at(-1)!);
  } finally {
    await served.stop();
  }
}

async function llama(): Promise<Figures> {
  const server = await Llama.start(gguf!, { port: 18_080, slots: streams, threads });
  try {
    const questions: Question[] = [];
    for (const prompt of prompts()) {
      const asked = questionOf('m', prompt, '');
      const { text } = await stream(server.url, asked.path, asked.body);
      questions.push({ ...asked, answer: text });
    }
    return await measure(server, questions, gguf!.split('/').at(-1)!);
  } finally {
    await server.stop();
  }
}

async function measure(
  server: { url: URL; readonly isUp: boolean },
  questions: readonly Question[],
  model: string,
): Promise<Figures> {
  const { url } = server;
  const goesOn = (_: number, started: number): boolean => performance.now() < started + seconds * 1000;
  const tally = await load({ url, questions, clients: streams, goesOn });
  const whole = tally.outcomes.filter(({ end }) => end === 'whole').length;
  const first = firstTokens(tally);
  const { failed, dropped } = await answersTo(url, malformedBodies(200));
  for (const path of ['/v1/chat/completions', '/v1/completions']) await answersTo(url, [deepBody(100_000)], path);
  await new Promise((resolve) => setTimeout(resolve, 500));
  return {
    model,
    tokensPerSecond: tally.tokens / tally.seconds,
    firstMedianMs: first.median,
    firstP99Ms: first.p99,
    answers: whole,
    wrong: tally.wrong,
    notWhole: tally.outcomes.length - whole,
    failed,
    dropped,
    survivesDepth: server.isUp,
  };
}

function rows(mine: Figures, theirs: Figures): BenchResult[] {
  const shape = `${streams} streams of ${length} tokens, ${threads} threads; ${mine.model} beside ${theirs.model}`;
  const peer = (value: number | string): string =>
    `llama.cpp ${typeof value === 'number' ? Number(value.toPrecision(4)) : value}`;
  const lower = (op: string, own: number, other: number, unit: string): BenchResult => ({
    op,
    shape,
    value: own,
    unit,
    peer: peer(other),
    ratio: other / own,
    target: 1,
  });
  const count = (op: string, own: number, other: string, unit: string): BenchResult => ({
    op,
    shape,
    value: own,
    unit,
    peer: peer(other),
    target: 0,
    atMost: true,
  });
  return [
    {
      op: 'throughput',
      shape,
      value: mine.tokensPerSecond,
      unit: 'tokens/s',
      peer: peer(theirs.tokensPerSecond),
      ratio: mine.tokensPerSecond / theirs.tokensPerSecond,
      target: 1,
    },
    lower('first token, median', mine.firstMedianMs, theirs.firstMedianMs, 'ms'),
    lower('first token, p99', mine.firstP99Ms, theirs.firstP99Ms, 'ms'),
    count(
      'streams not equal to offline greedy',
      mine.wrong,
      `${theirs.wrong} of ${theirs.answers}`,
      `of ${mine.answers}`,
    ),
    count('streams lost', mine.notWhole, String(theirs.notWhole), `of ${mine.answers + mine.notWhole}`),
    count('malformed bodies answered 5xx', mine.failed, `${theirs.failed} of 200`, 'of 200'),
    count('malformed bodies not answered', mine.dropped, `${theirs.dropped} of 200`, 'of 200'),
    count('killed by JSON nested 100,000 deep', mine.survivesDepth ? 0 : 1, theirs.survivesDepth ? '0' : '1', 'of 1'),
  ];
}
