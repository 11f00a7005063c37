// Long lives of one engine: conversations that grow, are tried again, fork, are aborted, wait for room and lose it, over pools that
// are too small for all. Every answer is compared with a cold run of its prompt; every pool is counted after every step.
// MIMOKIT_OPERATIONS sets how many operations are done and has the figures printed.
import { expect, test } from 'vitest';
import {
  adaptiveDraftDepth,
  createEngine,
  type Engine,
  fairScheduler,
  fixedDraftDepth,
  measuredDraftDepth,
  priorityScheduler,
} from '../src/index.ts';
import { supervised } from '../src/process.ts';
import { collect, type MockOptions, MockRunner, plainIds } from '../src/testing/index.ts';
import { fragile } from './fragile-runner.ts';
import { randomGuide } from './random-guide.ts';

const operations = Number(process.env.MIMOKIT_OPERATIONS ?? 2000);
const operationsPerLife = 250;
const longest = 110;

type Kind = 'append' | 'retry' | 'fork' | 'abort' | 'loss';

/** Whole numbers below `limit`. */
type Random = (limit: number) => number;

function randomFrom(seed: number): Random {
  let state = Math.imul(seed + 1, 0x9e3779b1) >>> 0;
  return (limit) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
}

const pick = <T>(random: Random, list: readonly T[]): T => list[random(list.length)];

interface Turn {
  ids: number[];
  maxTokens: number;
  seed: number;
  sampling: { temperature: number; repetitionPenalty: number };
  isGuided: boolean;
  namespace: string;
  answer: number[];
}

interface World {
  random: Random;
  engine: Engine;
  oracle: MockRunner;
  /** The last turn of each conversation. */
  conversations: Turn[];
  lose(): void;
}

async function openWorld(seed: number): Promise<World> {
  const random = randomFrom(seed);
  const sizes: MockOptions = {
    blockTokens: 1 + random(8),
    // Every fourth one without sliding layers.
    ...(seed % 4 === 3 ? { windowKeys: 1, maxDraft: 0 } : { windowKeys: 1 + random(9), maxDraft: random(4) }),
    draftQuality: pick(random, [0, 0.5, 0.9]),
    vocabSize: 24,
  };
  const needed = Math.ceil((longest + 20) / sizes.blockTokens!);
  const runners = fragile({ ...sizes, blocks: needed + random(1 + needed / 3), windows: 1 + random(7) });
  const runner = await supervised(runners.open, { firstPauseMs: 0 })('.');
  const engine = createEngine({
    runner,
    verify: true,
    scheduler: pick(random, [fairScheduler, priorityScheduler])(),
    drafts: pick(random, [() => fixedDraftDepth(random(4)), adaptiveDraftDepth, measuredDraftDepth])(),
    tokenBudget: 1 + random(48),
    keepsPrompts: random(4) > 0,
  });
  const oracle = new MockRunner({ ...sizes, blocks: 512, windows: 1, ring: 64 });
  return { random, engine, oracle, conversations: [], lose: () => runners.lose() };
}

function requestOf({ ids, maxTokens, seed, sampling, namespace, isGuided }: Turn) {
  return { ids, maxTokens, seed, sampling, namespace, ...(isGuided && { guide: randomGuide(seed, 24) }) };
}

/** A new turn after `from`: all it said or a part of it, and something of its own. */
function nextTurn({ random }: World, from: Turn | undefined, cut: number): Turn {
  const said = from === undefined ? [] : [...from.ids, ...from.answer].slice(0, cut);
  const own = Array.from({ length: 1 + random(12) }, () => random(6));
  const isFresh = said.length + own.length > longest;
  return {
    ids: isFresh ? own : [...said, ...own],
    maxTokens: 1 + random(16),
    seed: random(1000),
    sampling: { temperature: random(2), repetitionPenalty: random(5) === 0 ? 1.3 : 1 },
    isGuided: random(4) === 0,
    namespace: from?.namespace ?? (random(4) === 0 ? 'other' : ''),
    answer: [],
  };
}

async function operate(world: World, kind: Kind): Promise<void> {
  const { random, engine, oracle, conversations } = world;
  const which = random(8);
  const known = conversations[which];
  if (kind === 'loss') {
    world.lose();
    return;
  }
  const isRetry = kind === 'retry' && known !== undefined;
  const cut = kind === 'fork' ? random(longest) : longest;
  const turn = isRetry ? known : nextTurn(world, known, cut);
  const more = { ignoreEos: true, priority: random(3), mtp: random(5) > 0, wantRoutes: random(6) === 0 };
  if (kind === 'abort') {
    const controller = new AbortController();
    let events = random(5);
    const stream = engine.generate({ ...requestOf(turn), ...more, signal: controller.signal });
    for await (const event of stream) if (event.type === 'tokens' && events-- === 0) controller.abort();
    return;
  }
  const { ids } = await collect(engine.generate({ ...requestOf(turn), ...more }));
  if (isRetry) {
    expect(ids).toEqual(turn.answer);
    return;
  }
  conversations[kind === 'fork' ? random(8) : which] = { ...turn, answer: ids };
  cold.push({ oracle, turn, ids });
}

/** Answers that are still to be compared: the oracle runs one at a time. */
const cold: { oracle: MockRunner; turn: Turn; ids: number[] }[] = [];

test(`${operations} operations give the ids of cold runs`, { timeout: 3_600_000 }, async () => {
  const figures = { append: 0, retry: 0, fork: 0, abort: 0, loss: 0 };
  const totals = { steps: 0, preemptions: 0, memoryLosses: 0, promptTokens: 0, cachedTokens: 0, completionTokens: 0 };
  for (let life = 0, done = 0; done < operations; life++) {
    const world = await openWorld(life);
    const { random, engine } = world;
    for (const end = Math.min(operations, done + operationsPerLife); done < end;) {
      const wave = Array.from({ length: Math.min(end - done, 1 + random(6)) }, (): Kind => {
        if (random(60) === 0) return 'loss';
        return pick(random, ['append', 'append', 'append', 'retry', 'fork', 'abort']);
      });
      await Promise.all(wave.map((kind) => operate(world, kind)));
      for (const { oracle, turn, ids } of cold.splice(0)) {
        expect(ids).toEqual(await plainIds(oracle, { ...requestOf(turn), stopIds: [] }));
      }
      for (const kind of wave) figures[kind]++;
      done += wave.length;
    }
    const stats = engine.stats();
    expect(stats).toMatchObject({ running: 0, waiting: 0, kv: { windowsLive: 0, bytesLive: 0 } });
    for (const key of Object.keys(totals) as (keyof typeof totals)[]) totals[key] += stats[key];
    await engine.dispose();
  }
  if (process.env.MIMOKIT_OPERATIONS !== undefined) console.log({ ...figures, ...totals });
  // None of it was tested if it never happened.
  for (const count of [...Object.values(figures), totals.preemptions, totals.cachedTokens])
    expect(count).toBeGreaterThan(0);
});
