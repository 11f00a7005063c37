// `mimokit serve` as a process: it answers, survives the death of its engine, and ends in order.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, test } from 'vitest';

const main = fileURLToPath(new URL('../src/main.ts', import.meta.url));
let running: ChildProcess | undefined;
afterEach(async () => {
  if (running?.exitCode === null && running.signalCode === null) {
    running.kill('SIGKILL');
    await once(running, 'exit');
  }
});

async function serve(...args: string[]): Promise<{ child: ChildProcess; url: string; log: () => string }> {
  const child = spawn(
    process.execPath,
    ['--conditions=mimokit-source', main, 'serve', '--port', '0', '--name', 'nano', ...args],
    {
      env: { ...process.env, NO_COLOR: '1' },
    },
  );
  running = child;
  let log = '';
  child.stderr.on('data', (text: Buffer) => (log += text.toString()));
  let out = '';
  for await (const text of child.stdout as AsyncIterable<Buffer>) {
    out += text.toString();
    const url = /http:\/\/\S+(?=\/v1)/.exec(out)?.[0];
    if (url !== undefined) {
      child.stdout.resume();
      return { child, url, log: () => log };
    }
  }
  throw new Error(`it did not start: ${out}${log}`);
}

function post(url: string, path: string, body: unknown): Promise<Response> {
  return fetch(`${url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
}

/** The engine is the only child of the server. */
function engineOf({ pid }: ChildProcess): number {
  return Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')[0]);
}

describe.runIf(process.platform === 'linux')('the engine process', () => {
  test('killed in the middle of an answer: the same answer comes, from a new one', async () => {
    const { child, url, log } = await serve();
    const long = { text: 'Once', sampling_params: { max_new_tokens: 1000, ignore_eos: true } };
    const idsOf = async (answer: Promise<Response>): Promise<unknown> =>
      ((await (await answer).json()) as { output_ids: number[] }).output_ids;
    const expected = await idsOf(post(url, '/generate', long));
    const first = engineOf(child);
    const again = idsOf(post(url, '/generate', long));
    await new Promise((resolve) => setTimeout(resolve, 150));
    process.kill(first, 'SIGKILL');
    expect(await again).toEqual(expected);
    expect(engineOf(child)).not.toBe(first);
    expect(await (await fetch(`${url}/ready`)).json()).toEqual({ ready: true });
    expect(log()).toContain('engine restarted');
    expect(log()).not.toContain('Once');
  });
});

test('SIGTERM: what runs is finished, then it exits with 0', async () => {
  const { child, url } = await serve('--in-process');
  const body = { model: 'nano', messages: [{ role: 'user', content: 'Hello' }], stream: true };
  const answer = await post(url, '/v1/chat/completions', body);
  child.kill('SIGTERM');
  expect(await answer.text()).toMatch(/data: \[DONE\]\n\n$/);
  if (child.exitCode === null) await once(child, 'exit');
  expect(child.exitCode).toBe(0);
});

test('another interface without keys is refused', async () => {
  const child = spawn(process.execPath, [
    '--conditions=mimokit-source',
    main,
    'serve',
    '--host',
    '0.0.0.0',
    '--port',
    '0',
  ]);
  running = child;
  let text = '';
  child.stderr.on('data', (bytes: Buffer) => (text += bytes.toString()));
  await once(child, 'exit');
  expect(child.exitCode).toBe(2);
  expect(text).toContain('API keys');
});
