import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checkRequest } from './request.ts';
import { createScheduler, fairRows, fairScheduler, priorityScheduler, rowOf } from './scheduler.ts';
import { createSequence, type Sequence } from './sequence.ts';
import { MockRunner } from './testing/index.ts';
import { TokenStream } from './token-stream.ts';

const { info } = new MockRunner();
const capacity = { blocks: 1000, windows: 10, blockTokens: 4 };
let lastId = 0;

/** A live sequence of `tokens` tokens, `contextLen` of them committed. */
function live(tokens: number, contextLen: number, rest: Partial<Sequence> = {}, priority = 0): Sequence {
  const request = checkRequest({ ids: new Int32Array(tokens), maxTokens: 50, priority }, info, capacity);
  const stream = new TokenStream(
    () => {},
    () => {},
  );
  return { ...createSequence(++lastId, request, undefined, stream), state: 'live', contextLen, ...rest };
}

const lengths = (rows: readonly { start: number; end: number }[]) => rows.map(({ start, end }) => end - start);

describe('one formula for every row', () => {
  test('a prompt within the budget samples', () => {
    expect(rowOf(live(10, 0), 16)).toMatchObject({ start: 0, end: 10, samples: true });
  });
  test('a longer one is a chunk that does not', () => {
    expect(rowOf(live(40, 8), 16)).toMatchObject({ start: 8, end: 24, samples: false });
  });
  test('an answering one runs its last token and its drafts', () => {
    expect(rowOf(live(10, 9, { drafts: [1, 2, 3] }), 16)).toMatchObject({ start: 9, end: 13, samples: true });
  });
  test('drafts are cut by the budget and by what may still be emitted', () => {
    expect(rowOf(live(10, 9, { drafts: [1, 2, 3] }), 2).end).toBe(11);
    expect(rowOf(live(10, 9, { drafts: [1, 2, 3], emitted: 48 }), 16).end).toBe(11);
  });
  test('a chunk ends at a save point', () => {
    expect(rowOf(live(40, 0, { savePoints: [12, 39] }), 64)).toMatchObject({ end: 12, samples: false });
    expect(rowOf(live(40, 12, { savePoints: [12, 39] }), 64)).toMatchObject({ end: 39, samples: false });
    expect(rowOf(live(40, 39, { savePoints: [12, 39] }), 64)).toMatchObject({ end: 40, samples: true });
  });
});

describe('fair rows', () => {
  test('answering sequences come before prompts, which share what is left in order', () => {
    const rows = fairRows([live(100, 0), live(10, 9, { drafts: [1] }), live(50, 0)], 64);
    expect(lengths(rows)).toEqual([2, 62]);
    expect(lengths(fairRows([live(10, 0), live(50, 0)], 64))).toEqual([10, 50]);
  });
  test('a prompt gets a quarter even when the answering ones could use everything', () => {
    const answering = Array.from({ length: 20 }, () => live(10, 9, { drafts: [1, 2, 3] }));
    const rows = fairRows([...answering, live(100, 0)], 32);
    expect(rows.at(-1)).toMatchObject({ start: 0, end: 8 });
  });
  test('who ran least recently runs first when there is not enough for all', () => {
    const sequences = [5, 3, 4].map((lastStep) => live(10, 9, { lastStep }));
    expect(fairRows(sequences, 2).map(({ sequence }) => sequence.lastStep)).toEqual([3, 4]);
  });
  test('any load stays within the budget, has a row, and none twice', () => {
    const one = fc.record({
      tokens: fc.integer({ min: 1, max: 60 }),
      run: fc.nat(59),
      drafts: fc.nat(3),
      last: fc.nat(9),
    });
    fc.assert(
      fc.property(fc.array(one, { minLength: 1, maxLength: 12 }), fc.integer({ min: 1, max: 40 }), (load, budget) => {
        const sequences = load.map(({ tokens, run, drafts, last }) => {
          const contextLen = Math.min(run, tokens - 1);
          const proposals = contextLen === tokens - 1 ? Array.from({ length: drafts }, () => 1) : [];
          return live(tokens, contextLen, { drafts: proposals, lastStep: last });
        });
        const rows = fairRows(sequences, budget);
        expect(rows.length).toBeGreaterThan(0);
        expect(new Set(rows.map(({ sequence }) => sequence)).size).toBe(rows.length);
        expect(lengths(rows).every((length) => length > 0)).toBe(true);
        expect(lengths(rows).reduce((a, b) => a + b, 0)).toBeLessThanOrEqual(budget);
      }),
    );
  });
});

describe('schedulers', () => {
  test('fair: in order of arrival, nobody displaces anybody', () => {
    const scheduler = fairScheduler();
    const [a, b] = [live(5, 0), live(5, 0)];
    scheduler.add(b);
    scheduler.add(a);
    expect(scheduler.order()).toEqual([a, b]);
    expect(scheduler.displaces(a, b)).toBe(false);
    scheduler.remove(a);
    expect(scheduler.order()).toEqual([b]);
  });
  test('priority: the higher class first and completely', () => {
    const scheduler = priorityScheduler();
    const [low, high, middle] = [0, 2, 1].map((priority) => live(30, 0, {}, priority));
    for (const sequence of [low, high, middle]) scheduler.add(sequence);
    expect(scheduler.order()).toEqual([high, middle, low]);
    expect(scheduler.displaces(high, low)).toBe(true);
    expect(scheduler.displaces(low, high)).toBe(false);
    expect(scheduler.schedule(40).map(({ sequence, end }) => [sequence.id, end])).toEqual([
      [high.id, 30],
      [middle.id, 10],
    ]);
  });
  test('your own: shortest first', () => {
    const scheduler = createScheduler({ compare: (a, b) => a.tokens.length - b.tokens.length });
    const [long, short] = [live(30, 0), live(3, 0)];
    scheduler.add(long);
    scheduler.add(short);
    expect(scheduler.schedule(4).map(({ sequence, end }) => [sequence.id, end])).toEqual([
      [short.id, 3],
      [long.id, 1],
    ]);
  });
});
