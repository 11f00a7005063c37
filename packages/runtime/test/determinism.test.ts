// One output, however it is computed: batches of 1 to 32, chunks of 1 to 512 tokens, threads, draft depths, too little room, a
// runner that is lost on the way. Ids and the bits of every log-probability, over the best real runner that is here.
// MIMOKIT_RUNS_OF_ONE sets how many set-ups are tried.
import { fixturePath } from '@mimokit/fixtures';
import type { GenerateRequest } from '@mimokit/protocol';
import { expect, test } from 'vitest';
import { createEngine, fixedDraftDepth } from '../src/index.ts';
import { supervised } from '../src/process.ts';
import { collect } from '../src/testing/index.ts';
import { fragileOver } from './fragile-runner.ts';
import { loadRunners } from './runners.ts';

const { runners } = await loadRunners();
const { name, open } = runners.at(-1)!;
const runs = Number(process.env.MIMOKIT_RUNS_OF_ONE ?? (name === 'native' ? 24 : 3));
const directory = fixturePath('models', 't1-fp8');

const randomFrom = (seed: number): ((limit: number) => number) => {
  let state = Math.imul(seed + 1, 0x9e3779b1) >>> 0;
  return (limit) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
};

const requests = (vocabSize: number): GenerateRequest[] => {
  const random = randomFrom(5);
  // Two prompts longer than the chunks of 64 and 512, one of them longer than the sliding window many times over.
  const lengths: Readonly<Record<number, number>> = { 3: 530, 20: 90 };
  return Array.from({ length: 32 }, (_, index) => ({
    ids: Array.from({ length: lengths[index] ?? 1 + random(24) }, () => random(vocabSize)),
    maxTokens: 6 + random(10),
    ignoreEos: true,
    topLogprobs: 2,
    seed: index,
    sampling: { temperature: index % 2, presencePenalty: index % 5 === 0 ? 0.5 : 0 },
  }));
};

interface Setup {
  rows: number;
  chunk: number;
  threads: number;
  depth: number;
  /** Blocks for the longest request and hardly another, so that others are preempted. */
  isTight: boolean;
  /** Lost in every so manieth step, five times at most: between losses the longest prompt may not get through. 0: never. */
  lossEvery: number;
}

/** Ids and log-probability bits of all requests. */
async function run({ rows, chunk, threads, depth, isTight, lossEvery }: Setup): Promise<unknown[]> {
  const options = { blocks: isTight ? 72 : 300, windows: Math.min(32, rows + 4), blockTokens: 8, threads };
  const fragile = fragileOver(open);
  let lossesLeft = lossEvery > 0 ? 5 : 0;
  const runner = await supervised(fragile.open, { firstPauseMs: 0 })(directory, options);
  await using engine = createEngine({
    runner,
    maxRows: Math.min(rows, options.windows),
    tokenBudget: chunk,
    drafts: fixedDraftDepth(depth),
    onStep: ({ step }) => {
      if (lossesLeft === 0 || step % lossEvery !== 0) return;
      lossesLeft--;
      fragile.lose();
    },
  });
  const answers = await Promise.all(requests(runner.info.vocabSize).map((one) => collect(engine.generate(one))));
  await engine.dispose();
  await runner.dispose();
  steps += engine.stats().steps;
  preemptions += engine.stats().preemptions;
  losses += engine.stats().memoryLosses;
  return answers.map(({ ids, logprobs }) => ({
    ids,
    bits: Array.from(new Uint32Array(Float32Array.from(logprobs.flatMap(bitsOf)).buffer)),
  }));
}

const bitsOf = ({ logprob, rivals }: { logprob: number; rivals: readonly { id: number; logprob: number }[] }) => [
  logprob,
  ...rivals.flatMap((rival) => [rival.id, rival.logprob]),
];

let steps = 0;
let preemptions = 0;
let losses = 0;

test(`${runs} set-ups on the ${name} runner give one output`, { timeout: 3_600_000 }, async () => {
  const seen = new Map<string, number>();
  const plain = await run({ rows: 1, chunk: 512, threads: 1, depth: 0, isTight: false, lossEvery: 0 });
  const random = randomFrom(9);
  const pick = <T>(list: readonly T[]): T => list[random(list.length)];
  for (let index = 0; index < runs; index++) {
    const setup: Setup = {
      rows: pick([1, 2, 8, 32]),
      chunk: pick([1, 7, 64, 512]),
      threads: pick([1, 2]),
      depth: random(4),
      isTight: random(3) === 0,
      lossEvery: random(3) === 0 ? 60 + random(100) : 0,
    };
    expect(await run(setup), JSON.stringify(setup)).toEqual(plain);
    for (const [what, value] of Object.entries(setup))
      seen.set(`${what} ${value}`, (seen.get(`${what} ${value}`) ?? 0) + 1);
  }
  if (process.env.MIMOKIT_RUNS_OF_ONE === undefined) return;
  console.log({
    runs,
    steps,
    preemptions,
    losses,
    ...Object.fromEntries([...seen].sort().filter(([, runs]) => runs > 9)),
  });
});
