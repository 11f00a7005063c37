// The law of the engine, over random set-ups: however requests are cut, batched, cached, drafted or preempted, the ids are
// those of the plain run. The mock runner refuses every position nobody wrote; the pools are counted after every step.
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { createEngine, fixedDraftDepth, adaptiveDraftDepth, fairScheduler, priorityScheduler } from '../src/index.ts';
import { collect, MockRunner, plainIds } from '../src/testing/index.ts';
import { randomGuide } from './random-guide.ts';

const blockTokens = fc.integer({ min: 1, max: 7 });

const setup = fc.record({
  blockTokens,
  spareBlocks: fc.integer({ min: 0, max: 12 }),
  windows: fc.integer({ min: 1, max: 6 }),
  /** One key and no head: a model without sliding layers. */
  attention: fc.oneof(
    fc.record({ windowKeys: fc.integer({ min: 1, max: 9 }), maxDraft: fc.integer({ min: 0, max: 3 }) }),
    fc.constant({ windowKeys: 1, maxDraft: 0 }),
  ),
  draftQuality: fc.constantFrom(0, 0.3, 0.7, 1),
  depth: fc.constantFrom(undefined, 0, 1, 2, 3),
  tokenBudget: fc.integer({ min: 1, max: 24 }),
  maxRows: fc.integer({ min: 1, max: 6 }),
  prefixCache: fc.boolean(),
  keepsPrompts: fc.boolean(),
  priorities: fc.boolean(),
  vocabSize: fc.constantFrom(8, 24),
});

// Few beginnings, cut anywhere, so that prefixes are shared often and in the middle of blocks.
const request = fc.record({
  beginning: fc.integer({ min: 0, max: 2 }),
  length: fc.integer({ min: 1, max: 30 }),
  own: fc.array(fc.integer({ min: 0, max: 7 }), { maxLength: 6 }),
  /** Continues an earlier request: its prompt and part of its answer come first. */
  continues: fc.option(
    fc.record({ back: fc.integer({ min: 1, max: 3 }), share: fc.double({ min: 0, max: 1, noNaN: true }) }),
  ),
  maxTokens: fc.integer({ min: 1, max: 14 }),
  temperature: fc.constantFrom(0, 0, 1),
  penalty: fc.constantFrom(1, 1, 1.3),
  seed: fc.nat(),
  mtp: fc.constantFrom(true, true, false),
  ignoreEos: fc.boolean(),
  wantRoutes: fc.constantFrom(false, false, true),
  guided: fc.constantFrom(false, false, true),
  namespace: fc.constantFrom('', '', 'other'),
  priority: fc.integer({ min: 0, max: 2 }),
  /** Abort after so many events, by signal or by leaving the loop; undefined: never. */
  abortAfter: fc.constantFrom(undefined, undefined, undefined, 0, 1, 3),
  leaves: fc.boolean(),
  /** Requests of one wave run together. */
  wave: fc.integer({ min: 0, max: 2 }),
});

type Setup = typeof setup extends fc.Arbitrary<infer T> ? T : never;
type Request = typeof request extends fc.Arbitrary<infer T> ? T : never;

const beginnings = [0, 1, 2].map((which) =>
  Array.from({ length: 30 }, (_, index) => (index * (which + 3) + which) % 8),
);

interface Planned {
  request: Request;
  ids: number[];
  expected: number[];
}

/** Prompts and their plain answers: a continued request needs the answer of the one before. */
async function plan(requests: readonly Request[], setup: Setup): Promise<Planned[]> {
  const planned: Planned[] = [];
  for (const request of requests) {
    const earlier = request.continues === null ? undefined : planned.at(-request.continues.back);
    const answer = earlier?.expected ?? [];
    const ids =
      earlier === undefined
        ? [...beginnings[request.beginning].slice(0, request.length), ...request.own]
        : [...earlier.ids, ...answer.slice(0, Math.ceil(answer.length * request.continues!.share)), ...request.own];
    const oracle = new MockRunner({ ...sizes(setup), blocks: 512, windows: 1, ring: 64 });
    const stopIds = request.ignoreEos ? [] : undefined;
    const expected = await plainIds(oracle, { ...generateRequest(request, ids, setup), ...(stopIds && { stopIds }) });
    planned.push({ request, ids, expected });
  }
  return planned;
}

function sizes({ blockTokens, attention, draftQuality, vocabSize }: Setup) {
  return { blockTokens, ...attention, draftQuality, vocabSize };
}

function generateRequest(request: Request, ids: number[], { vocabSize }: { vocabSize: number }) {
  const { maxTokens, temperature, penalty, seed, guided } = request;
  const sampling = { temperature, repetitionPenalty: penalty };
  return { ids, maxTokens, seed, sampling, ...(guided && { guide: randomGuide(seed, vocabSize) }) };
}

/** Runs all waves; answers are compared with the plan as they come. */
async function run(setup: Setup, requests: readonly Request[]): Promise<void> {
  const planned = await plan(requests, setup);
  const largest = Math.max(...planned.map(({ ids, request }) => ids.length + request.maxTokens - 1));
  const blocks = Math.ceil(largest / setup.blockTokens) + setup.spareBlocks;
  const runner = new MockRunner({ ...sizes(setup), blocks, windows: setup.windows });
  const { tokenBudget, maxRows, prefixCache, keepsPrompts, depth } = setup;
  await using engine = createEngine({
    runner,
    scheduler: setup.priorities ? priorityScheduler() : fairScheduler(),
    drafts: depth === undefined ? adaptiveDraftDepth() : fixedDraftDepth(depth),
    tokenBudget,
    maxRows,
    prefixCache,
    keepsPrompts,
    verify: true,
  });
  for (const wave of [0, 1, 2]) {
    await Promise.all(planned.filter(({ request }) => request.wave === wave).map((one) => runOne(engine, one)));
    const { running, waiting, kv } = engine.stats();
    expect({ running, waiting, windowsLive: kv.windowsLive }).toEqual({ running: 0, waiting: 0, windowsLive: 0 });
    expect(kv.blocksAvailable).toBe(blocks);
    if (!prefixCache) expect(kv.blocksFree).toBe(blocks);
  }
}

async function runOne(engine: ReturnType<typeof createEngine>, { request, ids, expected }: Planned): Promise<void> {
  const { mtp, ignoreEos, wantRoutes, namespace, priority, abortAfter } = request;
  const controller = new AbortController();
  const stream = engine.generate({
    ...generateRequest(request, ids, engine.info),
    mtp,
    ignoreEos,
    wantRoutes,
    namespace,
    priority,
    signal: controller.signal,
  });
  if (abortAfter === undefined) {
    const answer = await collect(stream);
    expect(answer.ids).toEqual(expected);
    expect(answer.reason).toBe(!ignoreEos && expected.at(-1) === engine.info.eosTokenIds[0] ? 'stop' : 'length');
    expect(answer.usage).toMatchObject({ promptTokens: ids.length, completionTokens: expected.length });
    const steps = answer.usage.acceptLengths!;
    // Given ids come with the drawn ones, but no step is said to have brought them.
    if (!request.guided) {
      expect(steps).toEqual(answer.bursts.slice(1));
      expect(steps.reduce((a, b) => a + b, 0)).toBe(expected.length - 1);
    }
    // Every token of prompt and answer but the last, which is never run: 2 layers of 2 experts each. Of ids given at the end
    // none is run.
    if (wantRoutes && !request.guided) expect(answer.routes).toHaveLength((ids.length + expected.length - 1) * 4);
    return;
  }
  const got: number[] = [];
  let events = 0;
  for await (const event of stream) {
    if (event.type === 'tokens') got.push(...event.ids);
    if (event.type === 'finish') expect(['aborted', 'stop', 'length']).toContain(event.reason);
    if (events++ < abortAfter) continue;
    if (request.leaves) break;
    controller.abort();
  }
  expect(got).toEqual(expected.slice(0, got.length));
  // A step of the engine, so that what was left is given back before the wave is counted.
  await collect(engine.generate({ ids: [0], maxTokens: 1 }));
}

test('ids never depend on chunks, batches, cache, drafts, preemption or aborts', async () => {
  await fc.assert(fc.asyncProperty(setup, fc.array(request, { minLength: 1, maxLength: 7 }), run), {
    numRuns: Number(process.env.MIMOKIT_RUNS ?? 600),
  });
});
