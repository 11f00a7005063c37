// tokenize, detokenize, render and parse, through the command line, on every golden.
import { fixtureJson, fixtureJsonl, fixtureLines } from '@mimokit/fixtures';
import { expect, test } from 'vitest';
import { readJson, writeJson } from '@mimokit/protocol';
import { runCli, runFilter } from './run-cli.ts';

interface EncodeCase {
  text: string;
  ids: number[];
}

test('tokenize gives the ids of every encode golden', async () => {
  const cases = fixtureJsonl<EncodeCase>('tokenizer', 'encode.jsonl');
  const answers = await runFilter<{ ids: number[] }>(['tokenize'], cases);
  expect(answers.map(({ ids }) => ids)).toEqual(cases.map(({ ids }) => ids));
});

test('tokenize with special: false never gives a special id', async () => {
  const cases = fixtureJsonl<EncodeCase & { ids_with_special: number[] }>('tokenizer', 'encode_plain.jsonl');
  const plain = await runFilter<{ ids: number[] }>(
    ['tokenize'],
    cases.map(({ text }) => ({ text, special: false })),
  );
  const special = await runFilter<{ ids: number[] }>(
    ['tokenize'],
    cases.map(({ text }) => ({ text })),
  );
  expect(plain.map(({ ids }) => ids)).toEqual(cases.map(({ ids }) => ids));
  expect(special.map(({ ids }) => ids)).toEqual(cases.map((each) => each.ids_with_special));
});

test('detokenize gives text and pieces of every decode golden', async () => {
  const cases = fixtureJsonl<{ ids: number[]; text: string; pieces: string[] }>('tokenizer', 'decode.jsonl');
  const answers = await runFilter<{ text: string; pieces: string[] }>(
    ['detokenize'],
    cases.map(({ ids }) => ({ ids })),
  );
  expect(answers).toEqual(cases.map(({ text, pieces }) => ({ text, pieces })));
});

test('render gives the bytes of every chat golden', async () => {
  const lines = fixtureLines('chat', 'chat.jsonl');
  const cases = lines.map((line) => JSON.parse(line) as { template: string; expected: string });
  // The profile is added to the raw text, so that numbers such as 1.0 reach the filter as they were written.
  const profiles: Record<string, string> = { v2_flash: 'mimo-v2-flash', v2_5: 'mimo-v2.5' };
  const input = lines.map((line, at) => `{"profile":"${profiles[cases[at]!.template]}",${line.slice(1)}`);
  const answers = await runFilter<{ text: string }>(['render'], input);
  expect(answers.map(({ text }) => text)).toEqual(cases.map(({ expected }) => expected));
});

test.each([[[]], [['--split', 'every']]])('parse %j gives the message of every parse golden', async (options) => {
  const tools = JSON.stringify(fixtureJson('parse', 'tools.json'));
  const cases = fixtureLines('parse', 'parse.jsonl').map((line) => {
    const { text, mode } = JSON.parse(line) as { text: string; mode: string };
    return { text, mode, expected: expectedOf(line) };
  });
  const input = cases.map(({ text, mode }) => `{"text":${JSON.stringify(text)},"output":"${mode}","tools":${tools}}`);
  const { code, stdout } = await runCli(['parse', ...options], input.join('\n'));
  expect(code).toBe(0);
  const answers = stdout
    .trimEnd()
    .split('\n')
    .map((line) => {
      const { message } = JSON.parse(line) as {
        message: {
          role: string;
          content: string | null;
          reasoning_content: string | null;
          tool_calls: { function: { name: string; arguments: string } }[];
        };
      };
      return {
        reasoning_content: message.reasoning_content,
        content: message.content,
        tool_calls: message.tool_calls.map((call) => ({
          name: call.function.name,
          arguments: writeJson(readJson(call.function.arguments)),
        })),
      };
    });
  expect(answers).toEqual(cases.map(({ expected }) => expected));
});

/** The expected message with its arguments as JSON text, read without losing digits or key order. */
function expectedOf(line: string): unknown {
  const { expected } = readJson(line) as {
    expected: {
      reasoning_content: string | null;
      content: string | null;
      tool_calls: { name: string; arguments: unknown }[];
    };
  };
  return {
    reasoning_content: expected.reasoning_content,
    content: expected.content,
    tool_calls: expected.tool_calls.map((call) => ({ name: call.name, arguments: writeJson(call.arguments as never) })),
  };
}

test.each([
  ['parse', '{"text":"a","1":2,"__proto__":{}}'],
  ['render', '{"messages":[{"role":"user","content":"a"}],"kwargs":{"1":2},"1":2}'],
])('%s ignores unknown keys, those that look like numbers too', async (command, line) => {
  expect((await runCli([command], line)).code).toBe(0);
});

test.each([
  ['parse', '--split', 'some'],
  ['tokenize', '--tokeniser', 'mimo'],
])('%s %s %s is refused before a line is read', async (...args) => {
  const { code, stdout, stderr } = await runCli(args, '{"text":"a"}');
  expect([code, stdout]).toEqual([2, '']);
  expect(stderr).toContain('invalid-argument');
});

test('a bad line gets an error of its own and the others are answered', async () => {
  const good = Buffer.from('{"text":"a"}\n{"text":5}\nnot json\n');
  const { code, stdout } = await runCli(['tokenize'], Buffer.concat([good, Buffer.from([0x22, 0xff, 0x22, 10]), good]));
  const lines = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { ids?: number[]; error?: { code: string } });
  expect(code).toBe(1);
  expect(lines.map((line) => line.error?.code ?? 'ok')).toEqual([
    'ok',
    'invalid-argument',
    'invalid-json',
    'invalid-json',
    'ok',
    'invalid-argument',
    'invalid-json',
  ]);
});
