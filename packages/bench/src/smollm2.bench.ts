// C13: SmolLM2-135M beside node-llama-cpp on the same weights, each engine at its better of one and two threads, in turn in one process.
// `--force` measures on a busy machine too and writes nothing.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fixturePath } from '@mimokit/fixtures';
import { createTokenizer } from '@mimokit/tokenizer';
import { requireQuiet } from './busy.ts';
import { publish, ratio, race, type Sample } from './harness.ts';
import type { BenchResult } from './row.ts';
import { checkpoints, peer as peerFolder } from './smollm2/folders.ts';
import { openOurs } from './smollm2/ours.ts';
import { openPeer } from './smollm2/peer.ts';
import type { Speaker } from './smollm2/speaker.ts';

const force = process.argv.includes('--force');
const rounds = Number(process.env['MIMOKIT_BENCH_ROUNDS'] ?? 20);
const pilotRounds = 3;
const promptTokens = 512;
const decodedTokens = 48;
const prefixTokens = 1000;
const questionTokens = Number(process.env['MIMOKIT_BENCH_QUESTION'] ?? 16);

const directory = checkpoints();
const peerDirectory = peerFolder();
await requireQuiet(force);
const tokenizer = createTokenizer(readFileSync(join(directory, 'fp8-dense', 'tokenizer.json'), 'utf8'));
const text = Array.from(tokenizer.encode(readFileSync(fixturePath('smollm2/perplexity.txt'), 'utf8')));
const prompt = text.slice(0, promptTokens);
const prefix = text.slice(0, prefixTokens);

type Measure = (speaker: Speaker, round: number) => Promise<number>;
interface Duel {
  op: string;
  shape: string;
  target: number;
  ours: Speaker[];
  theirs: Speaker[];
  measure: Measure;
  prepare?: (speaker: Speaker) => Promise<void>;
  value: (milliseconds: number) => number;
  unit: string;
}

/** Runs all rounds with what was fastest in a few: an engine's better number of threads. */
async function better(speakers: readonly Speaker[], duel: Duel): Promise<Speaker> {
  const samples = await times(speakers, duel, pilotRounds);
  return speakers[samples.indexOf(samples.toSorted((a, b) => a.median - b.median)[0]!)]!;
}

/** The clock of `race` is around the call; what counts is what the speaker says of it. */
async function times(speakers: readonly Speaker[], duel: Duel, count: number): Promise<Sample[]> {
  let told = 0;
  let round = 0;
  return race(
    speakers.map((speaker) => ({
      name: speaker.name,
      run: async () => {
        told += await duel.measure(speaker, round++);
      },
    })),
    count,
    () => told,
  );
}

const peer = await openPeer(peerDirectory);
const threads = [1, 2];
const open = <T>(make: (threads: number) => Promise<T>): Promise<T[]> => Promise.all(threads.map(make));
const exact = await open((count) => openOurs(directory, 'bf16-dense', count));
const fp8 = await open((count) => openOurs(directory, 'fp8-dense', count));
const int8 = await open((count) => openOurs(directory, 'fp8-dense', count, 'int8'));
const q8 = await open((count) => peer.open('q8_0.gguf', count));
const f16 = await open((count) => peer.open('f16.gguf', count));

const perSecond = (tokens: number) => (milliseconds: number) => (tokens * 1000) / milliseconds;
const prefill: Measure = (speaker) => speaker.prefill(prompt);
const decode = (): Pick<Duel, 'op' | 'shape' | 'measure' | 'value' | 'unit'> => ({
  op: 'decode',
  shape: `${decodedTokens} tokens`,
  measure: (speaker) => speaker.decode(prompt.slice(0, 16), decodedTokens),
  value: perSecond(1),
  unit: 'tokens/s',
});
const first = (): Pick<Duel, 'op' | 'shape' | 'measure' | 'prepare' | 'value' | 'unit'> => ({
  op: 'first token',
  shape: `${questionTokens} tokens after a cached prefix of ${prefixTokens}`,
  // Another question each time, of which nothing is cached.
  measure: (speaker, round) => speaker.first(text.slice(prefixTokens + 3 * round).slice(0, questionTokens)),
  prepare: (speaker) => speaker.remember(prefix),
  value: (milliseconds) => milliseconds,
  unit: 'ms',
});
const prompts = {
  op: 'prefill',
  shape: `${promptTokens} tokens`,
  measure: prefill,
  value: perSecond(promptTokens),
  unit: 'tokens/s',
};
const duels: Duel[] = [
  { ...decode(), target: 1.15, ours: fp8, theirs: q8 },
  { ...prompts, target: 1.2, ours: exact, theirs: f16 },
  { ...prompts, target: 1.1, ours: int8, theirs: q8 },
  { ...first(), target: 2, ours: fp8, theirs: q8 },
];

const results: BenchResult[] = [];
for (const duel of duels) {
  for (const speaker of [...duel.ours, ...duel.theirs]) await duel.prepare?.(speaker);
  const pair = [await better(duel.ours, duel), await better(duel.theirs, duel)] as const;
  const [ours, theirs] = (await times(pair, duel, rounds)) as [Sample, Sample];
  results.push({
    goal: 'C13',
    op: `${duel.op}, ${pair[0].name}`,
    shape: `${duel.shape}; ${pair[0].threads} and ${pair[1].threads} threads`,
    value: duel.value(ours.median),
    unit: duel.unit,
    target: duel.target,
    peer: `${pair[1].name} ${duel.value(theirs.median).toPrecision(4)}`,
    ratio: ratio(ours, theirs),
    spread: ours.spread,
  });
}
for (const speaker of [...exact, ...fp8, ...int8]) await speaker[Symbol.asyncDispose]();
await peer.dispose();
if (force)
  console.table(
    results.map(({ op, shape, value, peer, ratio, target }) => ({ op, shape, value, peer, ratio, target })),
  );
else publish('smollm2', results);
process.exit(0);
