// logits and generate, through the command line, on the tiny checkpoints and both runners.
import { fixtureJson, fixturePath, readSafetensors } from '@mimokit/fixtures';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { pickRunner } from '../src/pick-runner.ts';
import { runCli, runFilter } from './run-cli.ts';

interface Prompt {
  name: string;
  ids: number[];
  positions: number[];
  plain: { greedy: number[] };
}
interface Trace {
  kv: string;
  mode: string;
  ids: number[];
  output: number[];
  new_tokens: number;
  steps: { accepted: number }[];
}

const native = await pickRunner('cpu').then(
  () => true,
  () => false,
);
const runners = native ? ['cpu', 'js'] : ['js'];
if (!native) console.warn('the native runner is not built: its half of these tests is left out');

describe.each(runners)('on the %s runner', (runner) => {
  test.each(['t1-bf16', 't1-fp8', 't2-fp8'])(
    'logits of %s are the golden ones within 1e-4, routes equal',
    async (model) => {
      const { prompts } = fixtureJson<{ prompts: Prompt[] }>('goldens', model, 'forward.json');
      const answers = await runFilter<{ logits: number[]; argmax: number[]; routes: number[][][] }>(
        ['logits', '--model', fixturePath('models', model), '--runner', runner],
        prompts.map(({ ids }) => ({ ids })),
      );
      for (const [at, { name, ids, positions }] of prompts.entries()) {
        const golden = readSafetensors('goldens', model, `${name}.safetensors`);
        const { data, shape } = golden.get('logits')!;
        const vocab = shape[1]!;
        expect(positions.at(-1)).toBe(ids.length - 1);
        const last = data.subarray((positions.length - 1) * vocab);
        expect(Math.max(...answers[at]!.logits.map((value, id) => Math.abs(value - last[id]!)))).toBeLessThan(1e-4);
        const layers = [...golden.keys()]
          .map((key) => /^router\.(\d+)\.ids$/.exec(key)?.[1])
          .filter((layer) => layer !== undefined);
        layers.sort((left, right) => Number(left) - Number(right));
        expect(answers[at]!.routes).toHaveLength(ids.length);
        for (const [index, layer] of layers.entries()) {
          const {
            data: routes,
            shape: [, k],
          } = golden.get(`router.${layer}.ids`)!;
          expect(answers[at]!.routes.map((row) => row[index]).flat()).toEqual([...routes]);
          expect(answers[at]!.routes[0]![index]).toHaveLength(k!);
        }
      }
    },
  );

  test.each(['t1-bf16', 't1-fp8', 't2-fp8'])(
    'generate on %s is greedy to the golden, with and without MTP',
    async (model) => {
      const { prompts } = fixtureJson<{ prompts: Prompt[] }>('goldens', model, 'forward.json');
      const lines = prompts.flatMap(({ ids }) =>
        [true, false].map((mtp) => ({ ids, max_tokens: 32, ignore_eos: true, mtp })),
      );
      for (const batch of ['1', '8']) {
        const answers = await runFilter<{
          ids: number[];
          logprobs: number[];
          accept_lengths: number[];
          finish_reason: string;
        }>(['generate', '--model', fixturePath('models', model), '--runner', runner, '--batch', batch], lines);
        for (const [at, answer] of answers.entries()) {
          expect(answer.ids).toEqual(prompts[at >> 1]!.plain.greedy);
          expect(answer.logprobs).toHaveLength(32);
          expect(answer.accept_lengths.reduce((sum, each) => sum + each, 0)).toBe(31);
          expect(answer.finish_reason).toBe('length');
        }
      }
    },
  );

  test.each(['t1-bf16', 't1-fp8'])('accept lengths of generate on %s are those of the exact traces', async (model) => {
    const { traces } = fixtureJson<{ traces: Trace[] }>('goldens', model, 'traces.json');
    const exact = traces.filter(({ kv, mode }) => kv === 'exact' && mode === 'plain');
    const answers = await runFilter<{ ids: number[]; accept_lengths: number[] }>(
      ['generate', '--model', fixturePath('models', model), '--runner', runner],
      exact.map(({ ids, new_tokens }) => ({ ids, max_tokens: new_tokens, ignore_eos: true })),
    );
    for (const [at, { output, steps, new_tokens }] of exact.entries()) {
      expect(answers[at]!.ids).toEqual(output);
      // The last step of a trace may emit more than was asked for.
      const lengths = steps.map(({ accepted }) => accepted + 1);
      const over = lengths.reduce((sum, each) => sum + each, 1) - new_tokens;
      lengths.push(lengths.pop()! - over);
      expect(answers[at]!.accept_lengths).toEqual(lengths);
    }
  });

  test('a token outside the vocabulary is refused for its line only', async () => {
    const { code, stdout } = await runCli(
      ['generate', '--model', fixturePath('models', 't1-bf16'), '--runner', runner],
      '{"ids":[1,2,99999],"max_tokens":2}\n{"ids":[1,2],"max_tokens":2}\n{"ids":[],"max_tokens":2}\n',
    );
    const lines = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { ids?: number[]; error?: { code: string } });
    expect(code).toBe(1);
    expect(lines[0]!.error?.code).toBe('token-out-of-range');
    expect(lines[1]!.ids).toHaveLength(2);
    expect(lines[2]!.error?.code).toBe('invalid-argument');
  });

  test('logits refuses an id that 32 bits would turn into another one', async () => {
    const { code, stdout } = await runCli(
      ['logits', '--model', fixturePath('models', 't1-bf16'), '--runner', runner],
      '{"ids":[4294967297]}\n',
    );
    expect(code).toBe(1);
    expect(stdout).toContain('"token-out-of-range"');
  });

  test('weights that are NaN are an error, never null and exit code 0', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'mimokit-nan-'));
    try {
      cpSync(fixturePath('models', 't1-bf16'), folder, { recursive: true });
      const file = join(folder, 'model.safetensors');
      const bytes = readFileSync(file);
      const start = 8 + Number(bytes.readBigUInt64LE());
      const header = JSON.parse(bytes.toString('utf8', 8, start)) as Record<string, { data_offsets: number[] }>;
      // One row of the head: every other logit stays a number.
      const [from] = header['lm_head.weight']!.data_offsets as [number];
      bytes.writeUInt16LE(0x7fc0, start + from);
      writeFileSync(file, bytes);
      const options = ['logits', '--model', folder, '--runner', runner];
      const { code, stdout } = await runCli(options, '{"ids":[1,2]}\n');
      expect(code).toBe(1);
      expect(stdout).toContain('"runner-failed"');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

test('numbers and keys of a line count as JSON.parse would read them: 1.0 is 1, "3" and "__proto__" are unknown keys', async () => {
  const options = ['generate', '--model', fixturePath('models', 't1-bf16'), '--runner', 'js'];
  const [written, plain] = await runFilter<{ ids: number[] }>(options, [
    '{"ids":[1.0,2],"max_tokens":4.0,"temperature":1.0,"top_p":1.0,"3":1,"__proto__":{}}',
    '{"ids":[1,2],"max_tokens":4,"temperature":1,"top_p":1}',
  ]);
  expect(written).toEqual(plain);
});

test('a folder without a checkpoint ends with one line that names the file', async () => {
  const { code, stderr } = await runCli(['logits', '--model', '/nowhere'], '{"ids":[1]}');
  expect(code).toBe(1);
  expect(stderr).toContain('checkpoint-missing-file');
  expect(stderr).toContain('/nowhere/config.json');
});
