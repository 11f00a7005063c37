// Damaged and lying checkpoints through the public entry: a typed error that names file and tensor, never a wrong model.
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fixturePath } from '@mimokit/fixtures';
import { isMimoError, type MimoError } from '@mimokit/protocol';
import { describe, expect, test } from 'vitest';
import { createJsRunner } from '../src/index.ts';
import { jsRunner } from '../src/node.ts';

type Files = Map<string, Uint8Array>;
type Entry = { dtype: string; shape: number[]; data_offsets: [number, number] };
type Header = Record<string, Entry>;

function filesOf(model: string): Files {
  return new Map(
    readdirSync(fixturePath('models', model)).map((name) => [
      name,
      new Uint8Array(readFileSync(fixturePath('models', model, name))),
    ]),
  );
}

function fileOf(files: Files, name: string): Uint8Array {
  const file = files.get(name);
  if (file === undefined) throw new Error(`the fixture has no ${name}`);
  return file;
}

/** A safetensors file with its header rewritten; `text` may change the JSON itself. */
function withHeader(
  file: Uint8Array,
  change: (header: Header) => void,
  text: (json: string) => string = (json) => json,
): Uint8Array {
  const length = Number(new DataView(file.buffer, file.byteOffset).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(file.subarray(8, 8 + length))) as Header;
  change(header);
  const json = new TextEncoder().encode(text(JSON.stringify(header)));
  const out = new Uint8Array(8 + json.length + file.length - 8 - length);
  new DataView(out.buffer).setBigUint64(0, BigInt(json.length), true);
  out.set(json, 8);
  out.set(file.subarray(8 + length), 8 + json.length);
  return out;
}

async function refusal(files: Files): Promise<MimoError> {
  try {
    await createJsRunner(files);
  } catch (error) {
    if (isMimoError(error)) return error;
    throw error;
  }
  throw new Error('the checkpoint was accepted');
}

const file = 'model.safetensors';
const tensor = 'model.layers.1.self_attn.q_proj.weight';

async function refusedHeader(change: (header: Header) => void, text?: (json: string) => string): Promise<MimoError> {
  const files = filesOf('t1-bf16');
  return refusal(files.set(file, withHeader(fileOf(files, file), change, text)));
}

describe('a single file', () => {
  test('cut off anywhere, it is refused by name', async () => {
    const whole = fileOf(filesOf('t1-bf16'), file);
    for (const length of [0, 7, 8, 100, whole.length - 1]) {
      const error = await refusal(filesOf('t1-bf16').set(file, whole.subarray(0, length)));
      expect(error.code).toBe('checkpoint-malformed');
      expect(error.message).toContain(file);
    }
  });

  test.each([2n ** 63n, 2n ** 40n, 99_999_999n, 0n])('a header that claims %d bytes', async (claimed) => {
    const files = filesOf('t1-bf16');
    const bytes = fileOf(files, file).slice();
    new DataView(bytes.buffer).setBigUint64(0, claimed, true);
    expect((await refusal(files.set(file, bytes))).code).toBe('checkpoint-malformed');
  });

  test('a header that is not UTF-8, not JSON, not an object', async () => {
    for (const json of ['\ud800', '{"a":', '[]', 'null']) {
      const error = await refusedHeader(
        () => {},
        () => json,
      );
      expect(error.code).toBe('checkpoint-malformed');
    }
  });

  const lies: [what: string, change: (header: Header) => void][] = [
    ['overlapping tensors', (header) => (header[tensor].data_offsets = header['model.norm.weight'].data_offsets)],
    [
      'a tensor past the end',
      (header) => (header[tensor].data_offsets = header[tensor].data_offsets.map((at) => at + 1e9) as [number, number]),
    ],
    [
      'offsets in reverse',
      (header) => (header[tensor].data_offsets = header[tensor].data_offsets.toReversed() as [number, number]),
    ],
    ['a negative offset', (header) => (header[tensor].data_offsets[0] = -2)],
    ['a fractional offset', (header) => (header[tensor].data_offsets[0] += 0.5)],
    ['a shape larger than its bytes', (header) => (header[tensor].shape[0] *= 2)],
    ['a shape whose size overflows', (header) => (header[tensor].shape = [2 ** 31, 2 ** 31, 4])],
    ['a negative shape', (header) => (header[tensor].shape[0] *= -1)],
  ];
  test.each(lies)('%s', async (_, change) => {
    const error = await refusedHeader(change);
    expect(error.code).toBe('checkpoint-malformed');
    expect(error.message).toContain('model.');
  });

  test('a hole where a tensor was', async () => {
    expect((await refusedHeader((header) => delete header[tensor])).message).toMatch(/hole/);
  });

  test('bytes after the last tensor', async () => {
    const files = filesOf('t1-bf16');
    const bytes = fileOf(files, file);
    const longer = new Uint8Array(bytes.length + 3);
    longer.set(bytes);
    expect((await refusal(files.set(file, longer))).message).toMatch(/after the last tensor/);
  });

  test('a tensor named twice', async () => {
    const error = await refusedHeader(
      () => {},
      (json) => `{"model.norm.weight":{"dtype":"BF16","shape":[64],"data_offsets":[0,128]},${json.slice(1)}`,
    );
    expect(error.message).toMatch(/twice/);
  });

  test('an unknown dtype, and a known one of the wrong kind', async () => {
    for (const dtype of ['F7', 'I16', '__proto__']) {
      const error = await refusedHeader((header) => (header[tensor].dtype = dtype));
      expect(error).toMatchObject({ code: 'checkpoint-tensor-dtype', details: { tensor, file } });
    }
  });

  test('a shape that config.json does not ask for', async () => {
    const error = await refusedHeader((header) => (header[tensor].shape = header[tensor].shape.toReversed()));
    expect(error).toMatchObject({
      code: 'checkpoint-tensor-shape',
      details: { tensor, file, found: [64, 384], expected: [384, 64] },
    });
  });

  test('a tensor under another name', async () => {
    const error = await refusedHeader((header) => {
      header['model.layers.9.x'] = header[tensor];
      delete header[tensor];
    });
    expect(error).toMatchObject({ code: 'checkpoint-tensor-missing', details: { tensor } });
  });

  test('an MTP head in the middle is missing', async () => {
    const error = await refusedHeader(
      () => {},
      (json) => json.replaceAll('model.mtp.layers.1.', 'model.mtp.layers.5.'),
    );
    expect(error).toMatchObject({ code: 'checkpoint-malformed' });
    expect(error.message).toContain('0, 5, 2');
  });
});

describe('shards and index', () => {
  const index = 'model.safetensors.index.json';

  test('a missing shard is named', async () => {
    const files = filesOf('t1-fp8');
    files.delete('model_2.safetensors');
    expect(await refusal(files)).toMatchObject({
      code: 'checkpoint-missing-file',
      details: { file: 'model_2.safetensors' },
    });
  });

  test('the order of files and of the index does not matter', async () => {
    const ids = Int32Array.of(1, 2, 3);
    const expected = await (await createJsRunner(filesOf('t1-fp8'))).inspect(ids, ['logits']);
    const reversed = new Map([...filesOf('t1-fp8')].toReversed());
    expect(await (await createJsRunner(reversed)).inspect(ids, ['logits'])).toEqual(expected);
  });

  test('NaN among FP8 weights is named', async () => {
    const files = filesOf('t1-fp8');
    const shard = 'model_0.safetensors';
    const bytes = Uint8Array.from(fileOf(files, shard));
    const header = Number(new DataView(bytes.buffer).getBigUint64(0, true));
    const entries = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + header))) as Header;
    const weight = 'model.layers.0.self_attn.q_proj.weight';
    bytes[8 + header + entries[weight].data_offsets[0] + 77] = 0xff;
    const error = await refusal(files.set(shard, bytes));
    expect(error).toMatchObject({ code: 'checkpoint-malformed', details: { tensor: weight, file: shard } });
    expect(error.message).toContain('element 77');
  });

  const indexes: [what: string, text: (json: string) => string, code: string][] = [
    ['that is not JSON', () => '{', 'checkpoint-malformed'],
    ['without weight_map', () => '{}', 'checkpoint-malformed'],
    [
      'that leaves the directory',
      (json) => json.replaceAll('model_0.safetensors', '../model_0.safetensors'),
      'checkpoint-malformed',
    ],
    [
      'that names the wrong shard',
      (json) => json.replace('"lm_head.weight": "model_final', '"lm_head.weight": "model_2'),
      'checkpoint-malformed',
    ],
    [
      'with a tensor that no file has',
      (json) => json.replace('"lm_head.weight"', '"lm_head.weird"'),
      'checkpoint-malformed',
    ],
  ];
  test.each(indexes)('an index %s', async (_, text, code) => {
    const files = filesOf('t1-fp8');
    const json = new TextDecoder().decode(fileOf(files, index));
    expect((await refusal(files.set(index, new TextEncoder().encode(text(json))))).code).toBe(code);
  });

  test('a scale grid of the wrong size', async () => {
    const files = filesOf('t2-fp8');
    const shard = 'model_0.safetensors';
    const scales = 'model.layers.0.self_attn.k_proj.weight_scale_inv';
    files.set(
      shard,
      withHeader(fileOf(files, shard), (header) => (header[scales].shape = [2, 4])),
    );
    expect(await refusal(files)).toMatchObject({
      code: 'checkpoint-tensor-shape',
      details: { tensor: scales, file: shard },
    });
  });

  test('config.json missing, or not UTF-8', async () => {
    const files = filesOf('t1-fp8');
    expect((await refusal(files.set('config.json', Uint8Array.of(0xff, 0xfe, 0x7b)))).code).toBe('config-invalid');
    files.delete('config.json');
    expect(await refusal(files)).toMatchObject({ code: 'checkpoint-missing-file', details: { file: 'config.json' } });
  });
});

describe('a directory', () => {
  test('that does not exist, or holds no weights', async () => {
    await expect(jsRunner(join(tmpdir(), 'no such directory'))).rejects.toMatchObject({
      code: 'checkpoint-missing-file',
    });
    const directory = await mkdtemp(join(tmpdir(), 'runner-js-'));
    try {
      await writeFile(join(directory, 'config.json'), readFileSync(fixturePath('models', 't1-bf16', 'config.json')));
      await expect(jsRunner(directory)).rejects.toMatchObject({ code: 'checkpoint-missing-file' });
    } finally {
      await rm(directory, { recursive: true });
    }
  });
});
