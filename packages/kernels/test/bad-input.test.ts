// Whatever is wrong with a checkpoint, the options or a call gives a typed error that names file, tensor, field or option.
import { readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fixturePath } from '@mimokit/fixtures';
import { checkpointInfo, openNativeRunner } from '@mimokit/kernels';
import { type ErrorCode, isMimoError, MimoError, type RunnerOptions } from '@mimokit/protocol';
import { packRows } from '@mimokit/protocol/testing';
import { describe, expect, test } from 'vitest';
import { changeConfig, changeHeader, withCopy } from './checkpoints.ts';

/** The MimoError of a call that must fail with `code`. */
async function failure(code: ErrorCode, call: () => Promise<unknown>): Promise<MimoError> {
  const error: unknown = await call().then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof MimoError)) throw new Error(`expected ${code}, found ${String(error)}`);
  expect(error.code, error.message).toBe(code);
  return error;
}

const inside =
  (...parts: string[]): ((directory: string) => string) =>
  (directory) =>
    join(directory, ...parts);
const weights = inside('model.safetensors');
const query = 'model.layers.0.self_attn.q_proj.weight';

describe('a checkpoint', () => {
  const cases: [what: string, code: ErrorCode, names: string, change: (directory: string) => void][] = [
    ['without config.json', 'checkpoint-missing-file', 'config.json', (d) => rmSync(inside('config.json')(d))],
    ['without weights', 'checkpoint-missing-file', 'model.safetensors', (d) => rmSync(weights(d))],
    [
      'with a file cut in the middle',
      'checkpoint-malformed',
      'model.safetensors',
      (d) => truncateSync(weights(d), 9000),
    ],
    ['with a file of four bytes', 'checkpoint-malformed', 'model.safetensors', (d) => truncateSync(weights(d), 4)],
    [
      'whose header claims more bytes than there are',
      'checkpoint-malformed',
      'model.safetensors',
      (d) => {
        const file = readFileSync(weights(d));
        file.writeBigUInt64LE(0x7fffffffffffffffn);
        writeFileSync(weights(d), file);
      },
    ],
    [
      'whose header is no JSON',
      'checkpoint-malformed',
      'model.safetensors',
      (d) => writeFileSync(weights(d), Buffer.concat([Buffer.from([8, 0, 0, 0, 0, 0, 0, 0]), Buffer.from('not json')])),
    ],
    [
      'with overlapping tensors',
      'checkpoint-malformed',
      'model.safetensors',
      (d) =>
        changeHeader(weights(d), (header) => {
          const [first, second] = Object.values(header).filter(({ data_offsets: range }) => range !== undefined);
          const size = second.data_offsets[1] - second.data_offsets[0];
          second.data_offsets = [first.data_offsets[0], first.data_offsets[0] + size];
        }),
    ],
    [
      'with a tensor of another shape',
      'checkpoint-tensor-shape',
      query,
      (d) => changeHeader(weights(d), (header) => (header[query].shape = header[query].shape.toReversed())),
    ],
    [
      'with a tensor of an unfit type',
      'checkpoint-tensor-dtype',
      query,
      (d) => changeHeader(weights(d), (header) => (header[query].dtype = 'I16')),
    ],
    [
      'with a tensor missing',
      'checkpoint-tensor-missing',
      query,
      (d) =>
        changeHeader(weights(d), (header) => {
          header['model.layers.0.renamed'] = header[query];
          delete header[query];
        }),
    ],
    [
      'with a size that is no number',
      'config-invalid',
      'hidden_size',
      (d) => changeConfig(d, (config) => (config['hidden_size'] = 'wide')),
    ],
    [
      'with an activation we do not know',
      'config-unsupported',
      'hidden_act',
      (d) => changeConfig(d, (config) => (config['hidden_act'] = 'gelu')),
    ],
    [
      'with a scoring function we do not know',
      'config-unsupported',
      'scoring_func',
      (d) => changeConfig(d, (config) => (config['scoring_func'] = 'softmax')),
    ],
    [
      'with config.json that is no JSON',
      'config-invalid',
      'config.json',
      (d) => writeFileSync(inside('config.json')(d), '{'),
    ],
  ];
  for (const [what, code, names, change] of cases) {
    test(`${what} is refused by name`, () =>
      withCopy('t1-bf16', change, async (directory) => {
        const error = await failure(code, () => openNativeRunner(directory));
        expect(`${error.message} ${JSON.stringify(error.details)}`).toContain(names);
      }));
  }

  test('whose index names a shard that is not there', () =>
    withCopy(
      't1-fp8',
      (d) => rmSync(join(d, 'model_mtp.safetensors')),
      async (directory) => {
        const error = await failure('checkpoint-missing-file', () => openNativeRunner(directory));
        expect(error.message).toContain('model_mtp.safetensors');
        await failure('checkpoint-missing-file', () => checkpointInfo(directory));
      },
    ));

  test('that does not exist', async () => {
    const error = await failure('checkpoint-missing-file', () => openNativeRunner('/nowhere/at/all'));
    expect(error.message).toContain('/nowhere/at/all');
    expect(error.hint).toContain('config.json');
  });
});

describe('an option', () => {
  const cases: [options: Record<string, unknown>, code: ErrorCode, names: string][] = [
    [{ threads: 0 }, 'invalid-argument', 'threads'],
    [{ threads: 1.5 }, 'invalid-argument', 'threads'],
    [{ threads: 5000 }, 'invalid-argument', 'threads'],
    [{ blockTokens: -1 }, 'invalid-argument', 'blockTokens'],
    [{ blocks: 2 ** 40 }, 'invalid-argument', 'blocks'],
    [{ kvBytes: Number.NaN }, 'invalid-argument', 'kvBytes'],
    [{ kvBytes: 100 }, 'kv-too-small', '100 bytes'],
    [{ kv: 'int4' }, 'invalid-argument', 'kv'],
    [{ activations: 'int4' }, 'invalid-argument', 'activations'],
    [{ level: 'mmx' }, 'invalid-argument', 'level'],
    [{ pickableIds: 513 }, 'invalid-argument', 'pickableIds'],
    [{ windowKeys: 0 }, 'invalid-argument', 'windowKeys'],
  ];
  for (const [options, code, names] of cases) {
    test(`${JSON.stringify(options)} out of range gives ${code}`, async () => {
      const error = await failure(code, () =>
        openNativeRunner(fixturePath('models', 't1-bf16'), options as RunnerOptions),
      );
      expect(error.message).toContain(names);
    });
  }
});

describe('a call', () => {
  test('with ids outside the vocabulary, no ids, or unknown taps', async () => {
    await using runner = await openNativeRunner(fixturePath('models', 't1-bf16'));
    const one = Int32Array.of(1);
    await failure('token-out-of-range', () => runner.inspect(Int32Array.of(1, 512), ['logits']));
    await failure('token-out-of-range', () => runner.inspect(Int32Array.of(-1), ['logits']));
    await failure('invalid-argument', () => runner.inspect(new Int32Array(0), ['logits']));
    const unknown = await failure('invalid-argument', () => runner.inspect(one, ['hidden.99']));
    expect(unknown.message).toContain('hidden.99');
    const { logits } = await runner.inspect(one, ['logits.last']).then(({ 'logits.last': last }) => ({ logits: last }));
    expect(logits.shape).toEqual([1, 512]);
  });

  test('with arrays of the wrong kind rejects, and the next step runs', async () => {
    await using runner = await openNativeRunner(fixturePath('models', 't1-bf16'));
    const good = packRows([{ tokens: [1, 2, 3], contextLen: 0, window: 0, blocks: [0] }]);
    const floats: object = { ...good, tokens: Float32Array.of(1, 2, 3) };
    await failure('batch-invalid', () => runner.step(floats as typeof good));
    await failure('batch-invalid', () => runner.step({} as typeof good));
    await failure('batch-invalid', () => runner.step(undefined as unknown as typeof good));
    await failure('batch-invalid', () => runner.step({ ...good, windows: Int32Array.of(1 << 20) }));
    await failure('token-out-of-range', () => runner.step({ ...good, tokens: Int32Array.of(1, 2, 3000) }));
    expect((await runner.step(good)).tokens.length).toBe(1);
  });

  test('errors are recognised without instanceof', async () => {
    const error: unknown = await openNativeRunner('/nowhere').catch((reason: unknown) => reason);
    expect(isMimoError(error, 'checkpoint-missing-file')).toBe(true);
  });
});
