// Encoding on worker threads: the same ids, whatever the threads go through.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Worker } from 'node:worker_threads';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { loadMimoTokenizer } from '../src/mimo.ts';
import { type EncodePool, openEncodePool } from '../src/pool.ts';
import { randomNumbers, randomText } from './random-text.ts';
import { smallTokenizer } from './vocabularies.ts';

const mimo = await loadMimoTokenizer();
const folder = mkdtempSync(join(tmpdir(), 'mimokit-pool-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Every thread that this process starts. */
const workers: Worker[] = [];
process.on('worker', (worker) => workers.push(worker));

let pool: EncodePool;
beforeAll(async () => {
  pool = await openEncodePool('mimo', { threads: 2 });
});
afterAll(() => pool.dispose());

const code = (code: string): unknown => expect.objectContaining({ code });
const long = 'All that is gold does not glitter, 金だけが輝くのではない. '.repeat(20_000);

describe('the ids are those of the tokenizer', () => {
  test('for texts of every script, many at once', async () => {
    const texts = Array.from({ length: 60 }, (_, seed) => randomText(randomNumbers(seed), seed * 40));
    const all = await Promise.all(texts.map((text) => pool.encode(text)));
    expect(all).toEqual(texts.map((text) => mimo.encode(text)));
    const counts = await Promise.all(texts.map((text) => pool.count(text)));
    expect(counts).toEqual(all.map((ids) => ids.length));
  });

  test('for the empty text', async () => {
    expect(await pool.encode('')).toEqual(new Int32Array());
    expect(await pool.count('')).toBe(0);
  });

  test('for a text of many pieces, wherever surrogate pairs and lone surrogates fall on their edges', async () => {
    // Pieces are 2^15 units: pairs at odd places straddle the edges, as do the halves without another.
    for (const text of [`x${'🫠'.repeat(300_000)}`, '🫠'.repeat(300_000), `xx${'\ud83e'.repeat(200_001)}\udee0`]) {
      expect(await pool.encode(text)).toEqual(mimo.encode(text));
    }
  });

  test('with literal spans, and with nothing special at all', async () => {
    const text = '<|im_start|>user\n<|im_end|> is text<|im_end|>';
    const literal = [{ start: 17, end: 35 }];
    expect(await pool.encode(text, { literal })).toEqual(mimo.encode(text, { literal }));
    expect(await pool.encode(text, { special: false })).toEqual(mimo.encode(text, { special: false }));
    expect(await pool.count(text, { literal })).toBe(mimo.count(text, { literal }));
    await expect(pool.encode(text, { literal: [{ start: 9, end: 99 }] })).rejects.toEqual(code('invalid-argument'));
  });
});

describe('the vocabulary of a tokenizer.json', () => {
  test('is read in the thread', async () => {
    const file = join(folder, 'tokenizer.json');
    writeFileSync(file, JSON.stringify(smallTokenizer({})));
    const small = await openEncodePool({ file }, { threads: 1 });
    expect((await small.encode('the')).length).toBe(2);
    await small.dispose();
  });

  test('is refused as createTokenizer refuses it, or when it is not there', async () => {
    const file = join(folder, 'unigram.json');
    writeFileSync(file, JSON.stringify(smallTokenizer({ model: { type: 'Unigram' } })));
    await expect(openEncodePool({ file })).rejects.toEqual(
      expect.objectContaining({ code: 'tokenizer-unsupported', details: { component: 'model.type' } }),
    );
    await expect(openEncodePool({ file: join(folder, 'none.json') })).rejects.toEqual(code('checkpoint-missing-file'));
  });
});

describe('giving up', () => {
  test('a text that waits, is being sent or is being encoded is told at once; the others are not', async () => {
    const one = await openEncodePool('mimo', { threads: 1 });
    const leaving = [new AbortController(), new AbortController()];
    const running = one.encode(long, { signal: leaving[0].signal });
    const waiting = one.encode('never', { signal: leaving[1].signal });
    const after = one.encode('hello world');
    for (const controller of leaving) controller.abort(new Error('gone'));
    for (const left of [running, waiting]) {
      await expect(left).rejects.toEqual(expect.objectContaining({ code: 'aborted', cause: new Error('gone') }));
    }
    expect(await after).toEqual(mimo.encode('hello world'));
    await expect(one.encode('x', { signal: AbortSignal.abort() })).rejects.toEqual(code('aborted'));
    await one.dispose();
  });

  test('disposing tells those in progress and those that come later', async () => {
    const one = await openEncodePool('mimo', { threads: 1 });
    const pending = [one.encode(long), one.count('waits')];
    const told = Promise.allSettled(pending);
    await one.dispose();
    for (const result of await told) expect(result).toEqual({ status: 'rejected', reason: code('aborted') });
    await expect(one.encode('x')).rejects.toEqual(code('aborted'));
  });
});

test('a full queue refuses the next text and forgets none', async () => {
  const one = await openEncodePool('mimo', { threads: 1, waiting: 2 });
  const accepted = [one.count(long), one.count('a b'), one.count('c d e')];
  await expect(one.count('too many')).rejects.toEqual(code('server-busy'));
  expect(await Promise.all(accepted)).toEqual([mimo.count(long), 2, 3]);
  await one.dispose();
});

test.each([{ threads: 0 }, { threads: 1.5 }, { waiting: -1 }])('%o is refused', async (options) => {
  await expect(openEncodePool('mimo', options)).rejects.toEqual(code('invalid-argument'));
});

describe('a thread that dies', () => {
  let one: EncodePool;
  afterEach(() => one.dispose());

  test('in the middle of a text: another thread encodes it, and those behind it', async () => {
    one = await openEncodePool('mimo', { threads: 1 });
    const pending = [one.encode(long), one.encode('behind')];
    await workers.at(-1)!.terminate();
    expect(await Promise.all(pending)).toEqual([mimo.encode(long), mimo.encode('behind')]);
  });

  test('twice at the same text: that text is told so, and those behind it are encoded', async () => {
    one = await openEncodePool('mimo', { threads: 1 });
    const started = workers.length;
    const deadly = Promise.allSettled([one.encode(long)]);
    const behind = one.encode('behind');
    await workers.at(-1)!.terminate();
    while (workers.length === started) await new Promise((resolve) => setImmediate(resolve));
    await workers.at(-1)!.terminate();
    expect(await deadly).toEqual([{ status: 'rejected', reason: code('worker-failed') }]);
    expect(await behind).toEqual(mimo.encode('behind'));
  });

  test('without work: the next text starts another one', async () => {
    one = await openEncodePool('mimo', { threads: 1 });
    await workers.at(-1)!.terminate();
    expect(await one.encode('next')).toEqual(mimo.encode('next'));
  });
});
