import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checkRequest } from '../request.ts';
import { createSequence, type Sequence } from '../sequence.ts';
import { MockRunner } from '../testing/index.ts';
import { TokenStream } from '../token-stream.ts';
import { heldBy, KvManager } from './kv-manager.ts';

const { info } = new MockRunner({ vocabSize: 1000 });
let lastId = 0;

/** A waiting sequence with these tokens. */
function sequenceOf(tokens: readonly number[], namespace = ''): Sequence {
  const capacity = { blocks: 1000, windows: 1000, blockTokens: 1 };
  const request = checkRequest({ ids: tokens, maxTokens: 1, namespace }, info, capacity);
  return createSequence(
    ++lastId,
    request,
    undefined,
    new TokenStream(
      () => {},
      () => {},
    ),
  );
}

function count(length: number, from = 0): number[] {
  return Array.from({ length }, (_, index) => from + index);
}

/** Admits with whatever is cached. */
function admit(kv: KvManager, sequence: Sequence): boolean {
  return kv.admit(sequence, kv.match(sequence.tokens, sequence.request.namespace));
}

/** Runs a sequence over its first `length` tokens and releases it; its window stays. */
function leaveBehind(kv: KvManager, tokens: readonly number[], length: number = tokens.length): void {
  const sequence = sequenceOf(tokens);
  expect(admit(kv, sequence)).toBe(true);
  expect(kv.reserve(sequence, length)).toBe(true);
  kv.commit(sequence, length);
  kv.release(sequence, true);
}

describe('matching', () => {
  test('resumes at exactly the kept length, inside a block', () => {
    const kv = new KvManager({ blocks: 8, windows: 4, blockTokens: 4 });
    leaveBehind(kv, count(10));
    const match = kv.match(count(14));
    expect(match.tokens).toBe(10);
    expect(match.blocks).toHaveLength(2);
    expect(match.partialBlock).not.toBe(-1);
  });

  test('needs one token to run, so a prompt never matches itself whole', () => {
    const kv = new KvManager({ blocks: 8, windows: 4, blockTokens: 4 });
    leaveBehind(kv, count(10));
    expect(kv.match(count(10))).toMatchObject({ tokens: 0, window: -1, knownTokens: 8 });
  });

  test('prefers the longest kept prefix', () => {
    const kv = new KvManager({ blocks: 16, windows: 4, blockTokens: 4 });
    leaveBehind(kv, count(5));
    leaveBehind(kv, count(11));
    leaveBehind(kv, count(7));
    expect(kv.match(count(20)).tokens).toBe(11);
    expect(kv.match(count(10)).tokens).toBe(7);
  });

  test('compares tokens, not only hashes, and never crosses a namespace', () => {
    const kv = new KvManager({ blocks: 8, windows: 4, blockTokens: 4 });
    leaveBehind(kv, count(10));
    expect(kv.match([...count(9), 500, 501]).tokens).toBe(0);
    expect(kv.match(count(14), 'other').tokens).toBe(0);
  });

  test('keeps one snapshot of a prefix, and one block for equal tokens', () => {
    const kv = new KvManager({ blocks: 16, windows: 4, blockTokens: 4 });
    const twins = [sequenceOf(count(9)), sequenceOf(count(9))];
    for (const twin of twins) {
      admit(kv, twin);
      kv.reserve(twin, 9);
      kv.commit(twin, 9);
    }
    kv.checkIntegrity(twins);
    expect(heldBy(twins[0]).blocks.slice(0, 2)).toEqual(heldBy(twins[1]).blocks.slice(0, 2));
    for (const twin of twins) kv.release(twin, true);
    kv.checkIntegrity([]);
    expect(kv.windows.keptCount).toBe(1);
    expect(kv.blocks.free).toBe(13);
  });

  test('forgets a namespace with its last window', () => {
    const kv = new KvManager({ blocks: 4, windows: 1, blockTokens: 4 });
    leaveBehind(kv, count(9));
    const other = sequenceOf(count(3), 'other');
    expect(admit(kv, other)).toBe(true);
    kv.release(other, true);
    expect(kv.cache.namespaces).toBe(0);
    expect(kv.blocks.free).toBe(4);
  });

  test('without caching nothing is kept', () => {
    const kv = new KvManager({ blocks: 4, windows: 2, blockTokens: 4 }, { isCaching: false });
    leaveBehind(kv, count(9));
    expect(kv.match(count(12)).tokens).toBe(0);
    expect(kv.blocks.free).toBe(4);
    expect(kv.windows.free).toBe(2);
  });
});

describe('law 2: the source of a pending copy stays until the step that makes it', () => {
  test('its window is not evicted for another sequence', () => {
    const kv = new KvManager({ blocks: 16, windows: 2, blockTokens: 4 });
    leaveBehind(kv, count(10));
    const first = sequenceOf(count(12));
    const second = sequenceOf(count(12, 100));
    expect(admit(kv, first)).toBe(true);
    expect(admit(kv, second)).toBe(false);
    kv.checkIntegrity([first, second]);
    kv.reserve(first, 12);
    expect(kv.copies(first)).toEqual([expect.any(Number), expect.any(Number), heldBy(first).blocks[2]]);
    kv.commit(first, 12);
    expect(kv.copies(first)).toEqual([-1, -1, -1]);
    expect(admit(kv, second)).toBe(true);
    kv.checkIntegrity([first, second]);
  });

  test('its blocks are not given to another sequence', () => {
    const kv = new KvManager({ blocks: 4, windows: 3, blockTokens: 4 });
    leaveBehind(kv, count(10));
    const first = sequenceOf(count(11));
    const second = sequenceOf([900]);
    admit(kv, first);
    expect(admit(kv, second)).toBe(true);
    expect(kv.reserve(second, 4)).toBe(true);
    expect(kv.reserve(second, 8)).toBe(false);
    kv.checkIntegrity([first, second]);
  });
});

describe('law 3: a sequence released before its first step keeps nothing', () => {
  test('when it was to copy a kept window', () => {
    const kv = new KvManager({ blocks: 8, windows: 3, blockTokens: 4 });
    leaveBehind(kv, count(10));
    const sequence = sequenceOf(count(12));
    admit(kv, sequence);
    kv.reserve(sequence, 12);
    kv.release(sequence, true);
    kv.checkIntegrity([]);
    expect(kv.windows.keptCount).toBe(1);
    expect(kv.blocks.free).toBe(5);
  });

  test('when it took over a window, but its block is shared and not copied yet', () => {
    const kv = new KvManager({ blocks: 8, windows: 2, blockTokens: 4 });
    const writer = sequenceOf(count(20));
    admit(kv, writer);
    kv.reserve(writer, 10);
    const saved = kv.saveTarget();
    kv.commit(writer, 10);
    kv.settleSave(writer, saved, true);
    // The writer goes on in the block that the snapshot shares.
    const reader = sequenceOf([...count(10), 700]);
    expect(admit(kv, reader)).toBe(true);
    expect(heldBy(reader).window).toBe(saved);
    kv.reserve(reader, 11);
    expect(kv.copies(reader)).toEqual([-1, heldBy(writer).blocks[2], heldBy(reader).blocks[2]]);
    kv.release(reader, true);
    kv.checkIntegrity([writer]);
    expect(kv.windows.keptCount).toBe(0);
  });

  test('and nothing is kept after a failed step', () => {
    const kv = new KvManager({ blocks: 8, windows: 3, blockTokens: 4 });
    const sequence = sequenceOf(count(10));
    admit(kv, sequence);
    kv.reserve(sequence, 10);
    kv.commit(sequence, 10);
    kv.release(sequence, false);
    expect(kv.windows.free).toBe(3);
    expect(kv.blocks.free).toBe(8);
  });
});

describe('law 4: what is kept gives way', () => {
  test('an admission takes over the matched window when there is no other', () => {
    const kv = new KvManager({ blocks: 4, windows: 1, blockTokens: 4 });
    leaveBehind(kv, count(10));
    const sequence = sequenceOf(count(14));
    expect(admit(kv, sequence)).toBe(true);
    expect(sequence.contextLen).toBe(10);
    expect(kv.copies(sequence)).toEqual([-1, -1, -1]);
    expect(kv.reserve(sequence, 14)).toBe(true);
    kv.checkIntegrity([sequence]);
  });

  test('a block that is taken over stands for its old tokens no longer, though it was filled meanwhile', () => {
    const kv = new KvManager({ blocks: 4, windows: 2, blockTokens: 4 });
    // A window is kept in the middle of a block, then the same sequence fills that block.
    const first = sequenceOf(count(9));
    expect(admit(kv, first) && kv.reserve(first, 8)).toBe(true);
    const saved = kv.saveTarget();
    kv.commit(first, 6);
    kv.settleSave(first, saved, true);
    kv.commit(first, 8);
    kv.release(first, false);
    expect(kv.match(count(9))).toMatchObject({ tokens: 6, knownTokens: 8 });
    // Another one begins alike, takes that block over and writes something else behind.
    const busy = sequenceOf([900]);
    expect(admit(kv, busy)).toBe(true);
    const second = sequenceOf([...count(6), 700, 701, 702]);
    expect(admit(kv, second) && kv.reserve(second, 9)).toBe(true);
    kv.checkIntegrity([busy, second]);
    expect(kv.match(count(9)).knownTokens).toBe(4);
    kv.commit(second, 8);
    kv.checkIntegrity([busy, second]);
    expect(kv.match([...count(6), 700, 701, 702]).knownTokens).toBe(8);
  });

  test('a reservation takes over the partly filled block when there is no block for its copy', () => {
    const kv = new KvManager({ blocks: 3, windows: 3, blockTokens: 4 });
    leaveBehind(kv, count(10));
    const sequence = sequenceOf(count(12));
    expect(admit(kv, sequence)).toBe(true);
    expect(kv.reserve(sequence, 12)).toBe(true);
    expect(kv.copies(sequence)).toEqual([-1, -1, -1]);
    kv.checkIntegrity([sequence]);
    kv.commit(sequence, 12);
    kv.checkIntegrity([sequence]);
  });

  test('also when other snapshots share that block', () => {
    const kv = new KvManager({ blocks: 3, windows: 4, blockTokens: 4 });
    const writer = sequenceOf(count(12));
    admit(kv, writer);
    for (const length of [9, 10, 11]) {
      kv.reserve(writer, length);
      const saved = length < 11 ? kv.saveTarget() : -1;
      kv.commit(writer, length);
      if (saved >= 0) kv.settleSave(writer, saved, true);
    }
    kv.release(writer, true);
    expect(kv.windows.keptCount).toBe(3);
    const sequence = sequenceOf([...count(10), 600, 601]);
    expect(admit(kv, sequence)).toBe(true);
    expect(sequence.contextLen).toBe(10);
    expect(kv.reserve(sequence, 12)).toBe(true);
    kv.checkIntegrity([sequence]);
    expect(kv.windows.keptCount).toBe(0);
  });

  test('the least recently used window goes first', () => {
    const kv = new KvManager({ blocks: 8, windows: 3, blockTokens: 4 });
    leaveBehind(kv, count(5));
    leaveBehind(kv, count(5, 100));
    leaveBehind(kv, count(5));
    const fresh = [sequenceOf(count(3, 200)), sequenceOf(count(3, 300))];
    for (const sequence of fresh) expect(admit(kv, sequence)).toBe(true);
    expect(kv.match(count(8)).tokens).toBe(5);
    expect(kv.match(count(8, 100)).tokens).toBe(0);
  });
});

describe('a model without sliding layers', () => {
  const open = (blocks: number): KvManager =>
    new KvManager({ blocks, windows: 1, blockTokens: 4 }, { hasWindows: false });

  test('resumes anywhere in what is kept, also inside a block and before its end', () => {
    const kv = open(8);
    leaveBehind(kv, count(10));
    expect(kv.match(count(14)).tokens).toBe(10);
    expect(kv.match(count(10)).tokens).toBe(9);
    expect(kv.match([...count(6), 500, 501]).tokens).toBe(6);
    expect(kv.match([...count(9), 500, 501]).tokens).toBe(9);
    expect(kv.match([...count(4), 500, 501])).toMatchObject({ tokens: 4, partialBlock: -1 });
  });

  test('copies the partly filled block and no window', () => {
    const kv = open(8);
    leaveBehind(kv, count(10));
    const sequence = sequenceOf(count(10));
    expect(admit(kv, sequence) && kv.reserve(sequence, 10)).toBe(true);
    expect(sequence.contextLen).toBe(9);
    expect(kv.copies(sequence)).toEqual([-1, expect.any(Number), heldBy(sequence).blocks[2]]);
    kv.checkIntegrity([sequence]);
  });

  test('finds the full blocks of a sequence that still runs', () => {
    const kv = open(8);
    const first = sequenceOf(count(11));
    expect(admit(kv, first) && kv.reserve(first, 9)).toBe(true);
    kv.commit(first, 9);
    const second = sequenceOf(count(8));
    expect(admit(kv, second)).toBe(true);
    expect(second.contextLen).toBe(7);
    expect(heldBy(second).blocks).toEqual(heldBy(first).blocks.slice(0, 1));
    expect(kv.copies(second).slice(0, 2)).toEqual([-1, heldBy(first).blocks[1]]);
    kv.checkIntegrity([first, second]);
  });

  test('keeps as much as its blocks hold, however few run at once', () => {
    const kv = open(8);
    for (let which = 0; which < 4; which++) leaveBehind(kv, count(6, 100 * which));
    for (let which = 0; which < 4; which++) expect(kv.match(count(6, 100 * which)).tokens).toBe(5);
  });
});

test('a refused admission or reservation changes nothing', () => {
  const kv = new KvManager({ blocks: 3, windows: 2, blockTokens: 4 });
  const [first, second] = [sequenceOf(count(8)), sequenceOf(count(8, 100))];
  admit(kv, first);
  kv.reserve(first, 8);
  expect(admit(kv, second)).toBe(false);
  expect(second).toMatchObject({ state: 'waiting', kv: undefined });
  expect(kv.reserve(first, 13)).toBe(false);
  expect(heldBy(first).blocks).toHaveLength(2);
  kv.checkIntegrity([first, second]);
});

test('any order of admit, reserve, commit, save and release leaves every block and window accounted for', () => {
  const step = fc.record({
    op: fc.constantFrom('admit', 'admit', 'run', 'run', 'run', 'save', 'keep', 'drop'),
    who: fc.nat(5),
    length: fc.integer({ min: 1, max: 9 }),
  });
  const sizes = fc.record({
    blocks: fc.integer({ min: 2, max: 20 }),
    windows: fc.integer({ min: 1, max: 5 }),
    blockTokens: fc.integer({ min: 1, max: 4 }),
  });
  fc.assert(
    fc.property(sizes, fc.boolean(), fc.array(step, { maxLength: 60 }), (capacity, hasWindows, steps) => {
      const kv = new KvManager(capacity, { hasWindows });
      const sequences: Sequence[] = [];
      for (const { op, who, length } of steps) {
        const live = sequences.filter((sequence) => sequence.state === 'live');
        const chosen = live[who % Math.max(1, live.length)];
        if (op === 'admit') {
          const tokens = [...count(length + who), who, ...count(length)];
          const sequence = sequenceOf(tokens);
          if (admit(kv, sequence)) sequences.push(sequence);
        } else if (chosen !== undefined && (op === 'run' || op === 'save')) {
          const end = Math.min(chosen.tokens.length, chosen.contextLen + length);
          if (end > chosen.contextLen && kv.reserve(chosen, end)) {
            const saved = op === 'save' ? kv.saveTarget() : -1;
            kv.checkIntegrity(sequences);
            kv.commit(chosen, end);
            if (saved >= 0) kv.settleSave(chosen, saved, who % 2 === 0);
          }
        } else if (chosen !== undefined && (op === 'keep' || op === 'drop')) {
          kv.release(chosen, op === 'keep');
          chosen.state = 'finished';
        }
        kv.checkIntegrity(sequences);
      }
      for (const sequence of sequences) if (sequence.state === 'live') kv.release(sequence, true);
      expect(kv.blocks.available).toBe(capacity.blocks);
    }),
    { numRuns: 2000 },
  );
});
