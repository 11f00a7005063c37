// Converting a model: the same bytes as the converter in Python on a small file with every weight format, and what is refused. The
// files are written here, so nothing is fetched.
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jsRunner } from '@mimokit/runner-js/node';
import { openModel } from '@mimokit/runtime';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { convertModel } from '../src/convert/index.ts';
import { runCli } from './run-cli.ts';
import { storedZip } from './stored-zip.ts';
import { encodeGguf, tinyGguf, type TinyGguf } from './tiny-gguf.ts';

const root = mkdtempSync(join(tmpdir(), 'mimokit-convert-'));
afterAll(() => rmSync(root, { recursive: true }));

let folder: string;
let from: string;
let to: string;
beforeEach(() => {
  folder = mkdtempSync(join(root, 'case-'));
  from = join(folder, 'model.gguf');
  to = join(folder, 'out');
});

const llama = encodeGguf(tinyGguf('llama'));
const qwen2 = encodeGguf(tinyGguf('qwen2'));
const code = (code: string, message = ''): unknown =>
  expect.objectContaining({ code, message: expect.stringContaining(message) as string });

describe('the weights are those of the converter in Python, to the byte', () => {
  // sha256 of model.safetensors as smollm2_to_mimo.py and qwen2_to_mimo.py (numpy 2, gguf 0.17) make it of the same files.
  test.each([
    ['llama', 'bf16', 'dense', '340492d61c097229bc2c383e1f915eb1618462110ef96daae594cd053f42b467'],
    ['llama', 'bf16', 'hybrid-moe', '1f753fd0c0700514fde62f352e0bb907847c6df6f88040e76605382c6c4c182e'],
    ['llama', 'fp8', 'dense', 'db056939b9402d0c5462dd32a7b036bde83dbf02aef5fe03edaa1a64a9063d05'],
    ['llama', 'fp8', 'hybrid-moe', 'bb7e0b63e981b726b6f4c3c6f30fcdf5c923a60ee949b89504b5dafaf34adcdb'],
    ['qwen2', 'bf16', 'dense', '87a31d3f6ad9ce4cb84b26d9265c2c1b1c935c48b272394ec09271eaf0a5ef29'],
    ['qwen2', 'bf16', 'hybrid-moe', '57e541fc81fb3af32dde1b587864c08c4a02734151642bd8273a6e51222d5308'],
    ['qwen2', 'fp8', 'dense', 'f684869d51ad945fa4b0dd83fa238b1c7e965bca1cd286a9fa890983e775060e'],
    ['qwen2', 'fp8', 'hybrid-moe', 'b532ec9e22d76e7e2cfb604eb942ebb2c52474b6b154e0b844d0b77e549fa53e'],
  ] as const)('%s, %s, %s', async (architecture, dtype, layout, sha256) => {
    writeFileSync(from, architecture === 'llama' ? llama : qwen2);
    await convertModel({ from, to, dtype, layout });
    const bytes = readFileSync(join(to, 'model.safetensors'));
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(sha256);
  });
});

describe('the folder', () => {
  test('is a model that runs, dense and hybrid alike', async () => {
    writeFileSync(from, llama);
    const logits: Float32Array[] = [];
    for (const layout of ['dense', 'hybrid-moe'] as const) {
      await convertModel({ from, to: `${to}-${layout}`, layout });
      await using model = await openModel(`${to}-${layout}`, { runner: jsRunner });
      expect([...model.tokenize('the<|im_end|>')]).toEqual([257, 260]);
      const { logits: found } = await model.inspect(Int32Array.of(259, 116, 257), ['logits']);
      logits.push(Float32Array.from(found!.data));
    }
    expect(logits[0]!.length).toBeGreaterThan(0);
    logits[1]!.forEach((value, i) => expect(value).toBeCloseTo(logits[0]![i]!, 3));
  });

  test('says where it comes from, and holds nothing else', async () => {
    writeFileSync(from, llama);
    const seen: number[] = [];
    const converted = await convertModel({ from, to, onProgress: ({ doneBytes }) => seen.push(doneBytes) });
    expect(converted).toEqual({
      directory: to,
      source: 'tiny llama',
      sha256: createHash('sha256').update(llama).digest('hex'),
      license: 'apache-2.0',
      tensors: 21,
      bytes: seen.at(-1),
    });
    expect(readdirSync(to).toSorted()).toEqual([
      'config.json',
      'conversion.json',
      'generation_config.json',
      'model.safetensors',
      'model.safetensors.index.json',
      'tokenizer.json',
      'tokenizer_config.json',
    ]);
    const json = (name: string): Record<string, unknown> =>
      JSON.parse(readFileSync(join(to, name), 'utf8')) as Record<string, unknown>;
    expect(json('tokenizer_config.json')).toMatchObject({ eos_token: '<|im_end|>', chat_template: '{{ messages }}' });
    expect(json('config.json')).toMatchObject({ layernorm_epsilon: 1e-5, eos_token_id: 260, vocab_size: 261 });
    expect(json('conversion.json')).toMatchObject({ source_sha256: converted.sha256, license: 'apache-2.0' });
    expect(readdirSync(folder).toSorted()).toEqual(['model.gguf', 'out']);
  });

  test('is the same from a wheel', async () => {
    writeFileSync(from, llama);
    const wheel = join(folder, 'model.whl');
    writeFileSync(wheel, storedZip({ 'pkg/__init__.py': Buffer.from(''), 'pkg/model.gguf': llama }));
    const [plain, zipped] = [await convertModel({ from, to }), await convertModel({ from: wheel, to: `${to}-2` })];
    expect(zipped).toEqual({ ...plain, directory: `${to}-2` });
    for (const name of readdirSync(to))
      expect(readFileSync(join(`${to}-2`, name)).equals(readFileSync(join(to, name)))).toBe(true);
  });

  test('must be new or empty', async () => {
    writeFileSync(from, llama);
    mkdirSync(to);
    await convertModel({ from, to });
    await expect(convertModel({ from, to })).rejects.toEqual(code('invalid-argument', 'is not empty'));
    await expect(convertModel({ from, to: from })).rejects.toEqual(code('invalid-argument', 'no folder'));
  });
});

/** The tiny Llama, changed. */
function changed(change: (file: TinyGguf) => void): Buffer {
  const file = tinyGguf('llama');
  change(file);
  return encodeGguf(file);
}

function replaced(bytes: Buffer, at: number, by: Uint8Array): Buffer {
  const copy = Buffer.from(bytes);
  copy.set(by, at);
  return copy;
}

const u64 = (value: bigint): Uint8Array => new Uint8Array(BigUint64Array.of(value).buffer);
/** Where the number after a text in the header is. */
const after = (text: string): number => llama.indexOf(text) + text.length;
const u32 = (value: number) => ({ type: 'u32', value }) as const;
const huge = 2n ** 62n;

describe('a source that is damaged, hostile or not known is refused by name, and nothing is left of it', () => {
  const cases: readonly [string, () => Buffer, string, string][] = [
    ['no GGUF', () => Buffer.from('hello'), 'checkpoint-malformed', 'neither a GGUF file nor a zip'],
    ['an empty file', () => Buffer.alloc(0), 'checkpoint-malformed', 'neither a GGUF file nor a zip'],
    ['a header cut short', () => llama.subarray(0, 900), 'checkpoint-malformed', ''],
    ['a header cut in a number', () => llama.subarray(0, 21), 'checkpoint-malformed', ''],
    ['weights cut short', () => llama.subarray(0, llama.length - 40), 'checkpoint-malformed', 'output_norm.weight'],
    ['a version of the future', () => replaced(llama, 4, Uint8Array.of(9)), 'checkpoint-malformed', 'version'],
    [
      'more tensors than there are',
      () => encodeGguf(tinyGguf('llama'), { tensors: 2 ** 40 }),
      'checkpoint-malformed',
      '',
    ],
    ['some more tensors', () => encodeGguf(tinyGguf('llama'), { tensors: 5000 }), 'checkpoint-malformed', ''],
    ['more keys than there are', () => encodeGguf(tinyGguf('llama'), { keys: 90_000 }), 'checkpoint-malformed', ''],
    ['a key of 2^62 bytes', () => replaced(llama, 24, u64(huge)), 'checkpoint-malformed', 'String length'],
    [
      'a list of 2^62 texts',
      () => replaced(llama, after('tokenizer.ggml.tokens') + 8, u64(huge)),
      'checkpoint-malformed',
      'array length',
    ],
    [
      'a kind of value that is none',
      () => replaced(llama, after('general.name'), Uint8Array.of(99)),
      'checkpoint-malformed',
      '',
    ],
    [
      'a tensor beyond the file',
      () => changed(({ tensors }) => (tensors.at(-1)!.dims = [2 ** 31])),
      'checkpoint-malformed',
      'takes 8589934592 bytes',
    ],
    [
      'a tensor that begins beyond the file',
      () => replaced(llama, after('output_norm.weight') + 4 + 8 + 4, u64(huge)),
      'checkpoint-malformed',
      'output_norm.weight',
    ],
    [
      'a weight format that is not read',
      () => changed(({ tensors }) => (tensors[0]!.type = 16)),
      'checkpoint-tensor-dtype',
      'ggml type 16',
    ],
    [
      'a tensor twice',
      () => changed(({ tensors }) => (tensors[1]!.name = tensors[0]!.name)),
      'checkpoint-malformed',
      'two tensors',
    ],
    [
      'a tensor missing',
      () => changed(({ tensors }) => tensors.splice(3, 1)),
      'checkpoint-tensor-missing',
      'blk.0.attn_k.weight',
    ],
    [
      'a tensor of another shape',
      () => changed(({ metadata }) => metadata.set('llama.feed_forward_length', u32(1024))),
      'checkpoint-tensor-shape',
      'sizes ask for [1024, 256]',
    ],
    [
      'a tensor that nothing asks for',
      () => changed(({ tensors }) => tensors.push({ ...tensors[1]!, name: 'rope_freqs.weight' })),
      'config-unsupported',
      'rope_freqs.weight',
    ],
    [
      'another architecture',
      () => changed(({ metadata }) => metadata.set('general.architecture', { type: 'text', value: 'mamba' })),
      'config-unsupported',
      '"mamba"',
    ],
    [
      'no architecture',
      () => changed(({ metadata }) => metadata.delete('general.architecture')),
      'checkpoint-malformed',
      'general.architecture',
    ],
    [
      'a size out of bounds',
      () => changed(({ metadata }) => metadata.set('llama.block_count', u32(4_000_000_000))),
      'checkpoint-malformed',
      'llama.block_count = 4000000000',
    ],
    [
      'heads that do not divide',
      () => changed(({ metadata }) => metadata.set('llama.attention.head_count', u32(3))),
      'config-unsupported',
      'a hidden size of 256',
    ],
    [
      'scaled rotary positions',
      () => changed(({ metadata }) => metadata.set('llama.rope.scaling.factor', { type: 'f32', value: 8 })),
      'config-unsupported',
      'llama.rope.scaling.factor',
    ],
    [
      'another split',
      () => changed(({ metadata }) => metadata.set('tokenizer.ggml.pre', { type: 'text', value: 'tekken' })),
      'tokenizer-unsupported',
      'tekken',
    ],
    [
      'merges of no tokens',
      () => changed(({ metadata }) => metadata.set('tokenizer.ggml.merges', { type: 'texts', value: ['q z'] })),
      'tokenizer-malformed',
      'merges[0]',
    ],
    ['a zip without a GGUF', () => storedZip({ 'a.txt': Buffer.from('a') }), 'checkpoint-malformed', 'no .gguf'],
    [
      'a zip with two',
      () => storedZip({ 'a.gguf': llama, 'b.gguf': llama }),
      'checkpoint-malformed',
      'more than one GGUF',
    ],
    ['a zip cut short', () => storedZip({ 'a.gguf': llama }).subarray(0, -30), 'checkpoint-malformed', 'no zip'],
    [
      'a zip with another checksum',
      () => storedZip({ 'a.gguf': llama }, { checksum: 1 }),
      'checkpoint-malformed',
      'another checksum',
    ],
    [
      'a zip that says it expands a thousandfold',
      () => storedZip({ 'a.gguf': Buffer.alloc(1000) }, { uncompressedSize: 1_000_000 }),
      'checkpoint-malformed',
      '',
    ],
  ];
  test.each(cases)('%s', async (_, bytes, wanted, message) => {
    writeFileSync(from, bytes());
    await expect(convertModel({ from, to })).rejects.toEqual(code(wanted, message));
    expect(readdirSync(folder)).toEqual(['model.gguf']);
  });

  test('no file at all', async () => {
    await expect(convertModel({ from, to })).rejects.toEqual(code('checkpoint-missing-file', 'model.gguf'));
    expect(readdirSync(folder)).toEqual([]);
  });

  test('any byte of the header changed: a typed error or a model, never anything else', async () => {
    const headerBytes = 4000;
    for (let i = 0; i < 120; i++) {
      const at = (i * 977) % headerBytes;
      writeFileSync(from, replaced(llama, at, Uint8Array.of(llama[at]! ^ (1 << (i % 8)))));
      const outcome = await convertModel({ from, to }).then(
        () => 'converted',
        (error: { name: string }) => error.name,
      );
      expect(['converted', 'MimoError']).toContain(outcome);
      rmSync(to, { recursive: true, force: true });
    }
    expect(readdirSync(folder)).toEqual(['model.gguf']);
  });
});

test.each(['read', 'write'] as const)('aborted while it %ss, nothing is left', async (phase) => {
  writeFileSync(from, llama);
  const leaving = new AbortController();
  const conversion = convertModel({
    from,
    to,
    signal: leaving.signal,
    onProgress: (progress) => progress.phase === phase && leaving.abort(new Error('enough')),
  });
  await expect(conversion).rejects.toEqual(
    expect.objectContaining({ code: 'aborted', cause: expect.objectContaining({ message: 'enough' }) as Error }),
  );
  expect(readdirSync(folder)).toEqual(['model.gguf']);
});

describe('the command', () => {
  test('prints what it made, as JSON where asked', async () => {
    writeFileSync(from, llama);
    const plain = await runCli(['convert', '--from', from, '--to', to]);
    expect(plain).toMatchObject({ code: 0, stderr: '' });
    expect(plain.stdout).toContain('tiny llama, 21 tensors');
    const json = await runCli(['convert', '--from', from, '--to', `${to}-fp8`, '--dtype', 'fp8', '--json']);
    expect(JSON.parse(json.stdout)).toMatchObject({ directory: `${to}-fp8`, tensors: 33, license: 'apache-2.0' });
  });

  test('fails with the code and what to do', async () => {
    const missing = await runCli(['convert', '--from', from, '--to', to]);
    expect(missing.code).toBe(1);
    expect(missing.stderr).toContain('checkpoint-missing-file');
    const wrong = await runCli(['convert', '--from', from, '--to', to, '--dtype', 'int4']);
    expect(wrong.code).toBe(2);
  });
});
