// `mimokit serve` beside llama.cpp's server: SmolLM2's weights in both, one load generator, one after the other on the same
// machine. The environment names the weights (smollm2/folders.ts) and llama.cpp's program (serve/llama.ts). Arguments are the
// servers to measure, default all of `int8 q8_0 exact f16`; what was measured before is kept, and published when it is whole.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { nativeRunner } from '@mimokit/kernels';
import { openModel } from '@mimokit/runtime';
import { requireQuiet } from './busy.ts';
import { publish } from './harness.ts';
import { type Figures, rowsOf } from './serve/figures.ts';
import { Llama } from './serve/llama.ts';
import { firstTokens, load, type Tally } from './serve/load.ts';
import { answersTo, deepBody, malformedBodies } from './serve/malformed.ts';
import type { Question } from './serve/questions.ts';
import { Served } from './serve/served.ts';
import { stream } from './serve/stream.ts';
import { checkpoints, peer } from './smollm2/folders.ts';

const streams = 64;
const seconds = 30;
const length = 64;
/** Answers to what comes all at once on a server that has seen nothing: the prompts are what matters. */
const shortLength = 8;
const threads = 2;

function prompt(index: number): string {
  return (
    `Chapter ${index + 1}. The keeper of the lighthouse wrote ${index + 3} letters that winter, and in every one of them he told ` +
    `of the sea, the birds, the ships that passed, and of a visitor who came on day ${index * 7 + 2}. The first letter begins:`
  );
}

/** Known prompts, which clients ask again and again, and as many others as there are streams. */
const known = Array.from({ length: 16 }, (_, index) => prompt(index));
const fresh = Array.from({ length: streams }, (_, index) => `${index + 100} days at sea. ${prompt(index + 100)}`);

type Activations = 'int8' | 'f32';

const servers: Readonly<Record<string, () => Promise<Figures>>> = {
  int8: () => ours('fp8-dense', 'int8'),
  q8_0: () => llama('q8_0.gguf'),
  exact: () => ours('bf16-dense', 'f32'),
  f16: () => llama('f16.gguf'),
};
/** Ours and theirs: eight bits in weights and activations, and the very weights as they came. */
const pairs = [
  ['int8', 'q8_0'],
  ['exact', 'f16'],
] as const;

const force = process.argv.includes('--force');
const asked = process.argv.slice(2).filter((argument) => argument !== '--force');
const kept = new URL('../.results/serve-peers.parts.json', import.meta.url);
const parts: Record<string, Figures> = existsSync(kept)
  ? (JSON.parse(readFileSync(kept, 'utf8')) as Record<string, Figures>)
  : {};
for (const name of asked.length > 0 ? asked : Object.keys(servers)) {
  const measureIt = servers[name];
  if (measureIt === undefined) throw new Error(`${name} is none of ${Object.keys(servers).join(', ')}.`);
  await requireQuiet(force);
  parts[name] = await measureIt();
  console.error(name, JSON.stringify(parts[name]));
  if (force) continue;
  mkdirSync(new URL('.', kept), { recursive: true });
  writeFileSync(kept, `${JSON.stringify(parts, null, 2)}\n`);
}
const isWhole = pairs.every(([mine, theirs]) => parts[mine] !== undefined && parts[theirs] !== undefined);
if (isWhole && !force) {
  const shape = `${streams} streams of ${length} tokens, ${threads} threads`;
  publish(
    'serve-peers',
    pairs.flatMap(([mine, theirs]) => rowsOf(shape, parts[mine]!, parts[theirs]!)),
  );
}

function questionOf(text: string, tokens: number, answer: string = ''): Question {
  const body = { model: 'm', stream: true, prompt: text, max_tokens: tokens, temperature: 0, ignore_eos: true };
  return { path: '/v1/completions', body, answer, tokens };
}

async function ours(form: string, activations: Activations): Promise<Figures> {
  const directory = join(checkpoints(), form);
  const questions: Question[] = [];
  const burst: Question[] = [];
  {
    const options = { runner: nativeRunner, runnerOptions: { threads, activations } };
    await using model = await openModel(directory, options);
    const answer = async (text: string, maxTokens: number): Promise<string> => {
      const ids: number[] = [];
      for await (const event of model.generate({ ids: model.tokenize(text), maxTokens, ignoreEos: true })) {
        if (event.type === 'tokens') ids.push(...event.ids);
      }
      return model.detokenize(ids);
    };
    for (const text of known) questions.push(questionOf(text, length, await answer(text, length)));
    for (const text of fresh) burst.push(questionOf(text, shortLength, await answer(text, shortLength)));
  }
  const sizes = ['--threads', threads, '--running', streams, '--waiting', streams].map(String);
  const served = await Served.start([...sizes, '--activations', activations], { directory, name: 'm' });
  try {
    // Both servers answered each known prompt once before.
    const ready = async (): Promise<void> => {
      for (const { path, body } of questions) await stream(served.url, path, body);
    };
    const name = activations === 'int8' ? `${form}, INT8` : form;
    return await measure(served, { name, burst, questions: () => questions, ready });
  } finally {
    await served.stop();
  }
}

async function llama(file: string): Promise<Figures> {
  const server = await Llama.start(join(peer(), file), { port: 18_080, slots: streams, threads });
  try {
    const questions: Question[] = [];
    const ready = async (): Promise<void> => {
      for (const text of known) {
        const one = questionOf(text, length);
        questions.push({ ...one, answer: (await stream(server.url, one.path, one.body)).text });
      }
    };
    const burst = fresh.map((text) => questionOf(text, shortLength));
    return await measure(server, { name: file, burst, questions: () => questions, ready });
  } finally {
    await server.stop();
  }
}

interface Asked {
  name: string;
  burst: readonly Question[];
  ready: () => Promise<void>;
  questions: () => readonly Question[];
}

async function measure(
  server: { url: URL; readonly isUp: boolean },
  { name, burst, ready, questions }: Asked,
): Promise<Figures> {
  const { url } = server;
  const once = await load({ url, questions: burst, clients: streams, goesOn: (turns) => turns === 0 });
  await ready();
  const goesOn = (_: number, started: number): boolean => performance.now() < started + seconds * 1000;
  const tally = await load({ url, questions: questions(), clients: streams, goesOn });
  const { failed, dropped } = await answersTo(url, malformedBodies(200));
  for (const path of ['/v1/chat/completions', '/v1/completions']) await answersTo(url, [deepBody(100_000)], path);
  await new Promise((resolve) => setTimeout(resolve, 500));
  const whole = ({ outcomes }: Tally): number => outcomes.filter(({ end }) => end === 'whole').length;
  const hasAnswers = burst.every(({ answer }) => answer !== '');
  return {
    model: name,
    tokensPerSecond: tally.tokens / tally.seconds,
    first: firstTokens(tally),
    firstAtOnce: firstTokens(once),
    answers: whole(tally) + (hasAnswers ? whole(once) : 0),
    wrong: tally.wrong + (hasAnswers ? once.wrong : 0),
    notWhole: tally.outcomes.length - whole(tally) + once.outcomes.length - whole(once),
    failed,
    dropped,
    survivesDepth: server.isUp,
  };
}
