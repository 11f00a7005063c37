// A runner in a child process: the same answers, typed errors, and an end that is noticed on both sides.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { StepBatch } from '@mimokit/protocol';
import { afterEach, describe, expect, test } from 'vitest';
import { createEngine } from '../src/index.ts';
import { processRunner, type ProcessRunner } from '../src/process.ts';
import { collect } from '../src/testing/index.ts';
import { plain, prompt } from './mock-engine.ts';

const module = new URL('./child-runners.ts', import.meta.url).href;
const execArgv = ['--conditions=mimokit-source'];
const request = { ids: prompt, maxTokens: 12, ignoreEos: true };

const open = processRunner({ module, name: 'mock', execArgv });
const runners: ProcessRunner[] = [];
const opened = async (): Promise<ProcessRunner> => {
  const runner = await open('.');
  runners.push(runner);
  return runner;
};
afterEach(async () => {
  for (const runner of runners.splice(0)) await runner.dispose();
});

/** Whether the process is there; a zombie of ours is not. */
const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

describe('a runner in a child process', () => {
  test('gives the ids of the runner itself, and tells of it', async () => {
    const progress: number[][] = [];
    const runner = await open('.', { blocks: 40, windows: 3, onProgress: (...both) => void progress.push(both) });
    runners.push(runner);
    expect(runner).toMatchObject({ maxDraft: 3, capacity: { blocks: 40, windows: 3, blockTokens: 4 } });
    expect(runner.info.vocabSize).toBe(48);
    expect(progress).toEqual([[1, 2]]);
    await using engine = createEngine({ runner, verify: true });
    const answers = await Promise.all(
      [1, 2, 3, 4].map((id) =>
        collect(engine.generate({ ...request, ids: [...prompt, id], topLogprobs: 2, wantRoutes: true })),
      ),
    );
    for (const [index, { ids, logprobs, routes }] of answers.entries()) {
      expect(ids).toEqual(await plain({ ...request, ids: [...prompt, index + 1], stopIds: [] }));
      expect(logprobs).toHaveLength(12);
      expect(routes).toHaveLength((prompt.length + 12) * 4);
    }
  });

  test('inspects', async () => {
    const runner = await opened();
    const { logits } = await runner.inspect(Int32Array.of(4, 5), ['logits']);
    expect(logits).toEqual({ shape: [2], data: Float32Array.of(4, 5) });
  });

  test('passes on typed errors of steps and of opening, with hint, details and cause', async () => {
    const runner = await opened();
    await expect(runner.step(badBatch())).rejects.toMatchObject({ name: 'MimoError', code: 'batch-invalid' });
    expect(runner.isLost).toBe(false);
    await expect(processRunner({ module, name: 'refusing', execArgv })('/nowhere')).rejects.toMatchObject({
      code: 'checkpoint-missing-file',
      message: '/nowhere has no config.json.',
      hint: 'Point at a checkpoint.',
      details: { file: 'config.json' },
      cause: { message: 'ENOENT' },
    });
  });

  test.each([
    ['a module that is not there', { module: 'file:///nowhere.js', name: 'x' }, /nowhere/],
    ['an export that is not there', { module, name: 'nothing' }, /exports no function nothing/],
    ['a child that dies at start', { module, name: 'dying' }, /ended with code 3/],
  ])('%s is a typed error', async (_, parts, message) => {
    await expect(processRunner({ ...parts, execArgv })('.')).rejects.toMatchObject({
      code: 'runner-failed',
      message: expect.stringMatching(message),
    });
  });

  test('an aborted opening ends the child', async () => {
    const controller = new AbortController();
    const opening = processRunner({ module, name: 'hanging', execArgv })('.', { signal: controller.signal });
    setTimeout(() => controller.abort(), 50);
    await expect(opening).rejects.toMatchObject({ code: 'aborted' });
    await expect(open('.', { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'aborted' });
  });
});

describe('an end', () => {
  test('by a signal rejects the step in progress and every later one, and is reported', async () => {
    const runner = await opened();
    const onStep = ({ step }: { step: number }): void => void (step === 3 && process.kill(runner.pid, 'SIGKILL'));
    await using engine = createEngine({ runner, onStep });
    const running = collect(engine.generate({ ...request, maxTokens: 200 }));
    await expect(running).rejects.toMatchObject({ code: 'runner-failed', details: { signal: 'SIGKILL' } });
    await expect(collect(engine.generate(request))).rejects.toMatchObject({ code: 'runner-failed' });
    expect((await runner.lost).message).toContain('SIGKILL');
    expect(runner.isLost).toBe(true);
  });

  test('by dispose waits for the step, and the child is gone', async () => {
    const runner = await open('.');
    await using engine = createEngine({ runner });
    const answer = collect(engine.generate({ ...request, maxTokens: 1 }));
    await new Promise((resolve) => setImmediate(resolve));
    await Promise.all([runner.dispose(), runner.dispose()]);
    await answer.catch(() => {});
    expect(isAlive(runner.pid)).toBe(false);
    expect(runner.isLost).toBe(false);
    await expect(runner.step(badBatch())).rejects.toMatchObject({ code: 'runner-disposed' });
  });

  test('of the parent ends the child, and the child keeps no parent alive', async () => {
    const program = `
      import { processRunner } from ${JSON.stringify(new URL('../src/process.ts', import.meta.url).href)};
      const runner = await processRunner({ module: ${JSON.stringify(module)}, name: 'mock' })('.');
      await runner.inspect(Int32Array.of(1), ['x']);
      console.log(runner.pid);
    `;
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [...execArgv, '--input-type=module', '-e', program],
      { cwd: fileURLToPath(new URL('.', import.meta.url)), encoding: 'utf8' },
    );
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const pid = Number(stdout);
    expect(pid).toBeGreaterThan(0);
    for (let wait = 0; isAlive(pid) && wait < 100; wait++) await new Promise((resolve) => setTimeout(resolve, 20));
    expect(isAlive(pid)).toBe(false);
  });
});

/** A batch that every runner refuses: its only row wants a window that is not there. */
function badBatch(): StepBatch {
  const none = new Int32Array(0);
  return {
    tokens: Int32Array.of(1),
    rowStart: Int32Array.of(0, 1),
    contextLen: Int32Array.of(0),
    draftLen: Int32Array.of(0),
    samples: Uint8Array.of(1),
    draftNext: Int32Array.of(0),
    blockTable: Int32Array.of(0),
    blockStart: Int32Array.of(0, 1),
    windows: Int32Array.of(99),
    copyWindow: Int32Array.of(-1),
    saveWindow: Int32Array.of(-1),
    copyBlock: Int32Array.of(-1, -1),
    sampling: Float32Array.of(0, 1, 0, 0, 1, 0, 0),
    seeds: Uint32Array.of(0),
    topLogprobs: Uint8Array.of(0),
    wantRoutes: Uint8Array.of(0),
    biasStart: Int32Array.of(0, 0),
    biasIds: none,
    biasValues: new Float32Array(0),
    countStart: Int32Array.of(0, 0),
    countIds: none,
    countValues: none,
  };
}
