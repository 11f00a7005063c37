// `mimokit chat` without a terminal: three scripted turns, one with a tool call and its result, figures, exit 0.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Message } from '@mimokit/protocol';
import { expect, test } from 'vitest';
import type { TurnFigures } from '../src/chat-turn.ts';
import { runCli, runFilter } from './run-cli.ts';

test('three turns are printed with thinking, content, calls and results apart, and figures after each', async () => {
  const { code, stdout } = await runCli(['chat']);
  expect(code).toBe(0);
  for (const label of ['you', 'thinking', 'call', 'result', 'mimo'])
    expect(stdout).toMatch(new RegExp(`^ *${label}  `, 'm'));
  expect(stdout).toContain('calculator {"expression":"37 * 12"}');
  expect(stdout.match(/tokens\/s · accept length [1-4]\.\d\d · cached \d+ of \d+ prompt tokens · KV /g)).toHaveLength(
    3,
  );
});

test('as JSON lines: the tool ran, its result was restated, later turns found their prefix in the cache', async () => {
  const turns = await runFilter<{ messages: Message[]; figures: TurnFigures }>(['chat', '--json'], []);
  expect(turns).toHaveLength(3);
  const [first, second] = turns as [(typeof turns)[0], (typeof turns)[0]];
  expect(first.messages.map(({ role }) => role)).toEqual(['user', 'assistant', 'tool', 'assistant']);
  expect(first.messages[2]!.content).toBe('444');
  expect(first.messages[3]!.content).toContain('444');
  expect(second.messages.at(-1)!.content).toContain('8.04672');
  expect(second.figures.cachedTokens).toBeGreaterThan(300);
  for (const { figures } of turns) expect(figures.kvBytes).toBeGreaterThan(0);
});

test('both runners say the same', async () => {
  const texts = await Promise.all(
    [
      ['chat', '--json'],
      ['chat', '--json', '--runner', 'js'],
    ].map(async (args) => {
      const turns = await runFilter<{ messages: Message[] }>(args, []);
      return turns.flatMap(({ messages }) => messages.map(({ content }) => content));
    }),
  );
  expect(texts[0]).toEqual(texts[1]);
});

test('standard input is never read: an open pipe does not keep the command waiting', async () => {
  const main = fileURLToPath(new URL('../src/main.ts', import.meta.url));
  const child = spawn(process.execPath, ['--conditions=mimokit-source', '--no-warnings', main, 'chat'], {
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  const [code] = (await once(child, 'close')) as [number];
  child.stdin.destroy();
  expect(code).toBe(0);
});
