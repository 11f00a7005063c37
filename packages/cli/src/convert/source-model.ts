// The model in a GGUF file: Llama or Qwen2. Its sizes, bounded; its tensors by role as float32, query and key rows in the half-split
// order of rotary pairs that MiMo uses. What would change the result and is not known here is refused by name.
import { MimoError } from '@mimokit/protocol';
import type { GgufFile, GgufTensor } from './gguf-file.ts';

type Architecture = 'llama' | 'qwen2';

export interface ModelSizes {
  readonly architecture: Architecture;
  readonly layers: number;
  readonly hidden: number;
  readonly ffn: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headSize: number;
  readonly context: number;
  readonly vocabulary: number;
  readonly ropeTheta: number;
  readonly epsilon: number;
}

type Values = Float32Array<ArrayBuffer>;

export class SourceModel {
  readonly file: GgufFile;
  readonly sizes: ModelSizes;

  /** Throws `config-unsupported` naming what it does not know, and what the file's values throw. */
  constructor(file: GgufFile) {
    this.file = file;
    this.sizes = readSizes(file);
    const { hidden, ffn, heads, kvHeads, headSize, layers, vocabulary, architecture } = this.sizes;
    // Every tensor is looked up now: a file that lacks one, or has one more, fails before anything is written.
    file.tensor('token_embd.weight', [vocabulary, hidden]);
    file.tensor('output_norm.weight', [hidden]);
    if (file.hasTensor('output.weight')) file.tensor('output.weight', [vocabulary, hidden]);
    for (let layer = 0; layer < layers; layer++) {
      const check = (name: string, shape: number[]): GgufTensor => file.tensor(`blk.${layer}.${name}`, shape);
      for (const norm of ['attn_norm', 'ffn_norm']) check(`${norm}.weight`, [hidden]);
      for (const [name, count] of [
        ['attn_q', heads] as const,
        ['attn_k', kvHeads] as const,
        ['attn_v', kvHeads] as const,
      ]) {
        check(`${name}.weight`, [count * headSize, hidden]);
        if (architecture === 'qwen2') check(`${name}.bias`, [count * headSize]);
      }
      check('attn_output.weight', [hidden, heads * headSize]);
      for (const name of ['ffn_gate', 'ffn_up']) check(`${name}.weight`, [ffn, hidden]);
      check('ffn_down.weight', [hidden, ffn]);
    }
    const [unused] = file.unusedTensors();
    if (unused !== undefined) throw unsupported(file, `the tensor ${unused}`);
  }

  get hasBias(): boolean {
    return this.sizes.architecture === 'qwen2';
  }

  vector(layer: number, name: string): Promise<Values> {
    return this.#whole(`blk.${layer}.${name}`);
  }

  outputNorm(): Promise<Values> {
    return this.#whole('output_norm.weight');
  }

  /** [vocabulary, hidden], some rows at a time. */
  embedding(): AsyncGenerator<Values> {
    return this.#pieces('token_embd.weight');
  }

  /** As the embedding, which it is where the file has no other. */
  head(): AsyncGenerator<Values> {
    return this.#pieces(this.file.hasTensor('output.weight') ? 'output.weight' : 'token_embd.weight');
  }

  /** [heads * headSize, hidden] of `attn_q` or `attn_k`. */
  async rotated(layer: number, name: 'attn_q' | 'attn_k'): Promise<Values> {
    const values = await this.#whole(`blk.${layer}.${name}.weight`);
    // llama.cpp's converter interleaves the halves of Llama's heads; those of Qwen2 it leaves.
    return this.sizes.architecture === 'llama' ? halfSplit(values, this.sizes.headSize, this.sizes.hidden) : values;
  }

  matrix(layer: number, name: string): Promise<Values> {
    return this.#whole(`blk.${layer}.${name}.weight`);
  }

  /** Rows `from` to `from + count` of a matrix. */
  rows(layer: number, name: string, from: number, count: number): Promise<Values> {
    return this.file.read(this.file.known(`blk.${layer}.${name}.weight`), from, count);
  }

  #whole(name: string): Promise<Values> {
    const tensor = this.file.known(name);
    return this.file.read(tensor, 0, tensor.rows);
  }

  async *#pieces(name: string): AsyncGenerator<Values> {
    const tensor = this.file.known(name);
    const rowsAtOnce = Math.max(1, Math.floor((1 << 20) / tensor.columns));
    for (let from = 0; from < tensor.rows; from += rowsAtOnce)
      yield await this.file.read(tensor, from, Math.min(rowsAtOnce, tensor.rows - from));
  }
}

/** Rows (i, i + half) of each head, interleaved → all first halves, then all second ones. */
function halfSplit(values: Values, headSize: number, columns: number): Values {
  const out = new Float32Array(values.length);
  const half = headSize / 2;
  for (let row = 0; row < values.length / columns; row++) {
    const head = Math.floor(row / headSize);
    const within = row % headSize;
    const from = head * headSize + (within % half) * 2 + Math.floor(within / half);
    out.set(values.subarray(from * columns, (from + 1) * columns), row * columns);
  }
  return out;
}

function readSizes(file: GgufFile): ModelSizes {
  const architecture = file.text('general.architecture');
  if (architecture !== 'llama' && architecture !== 'qwen2')
    throw unsupported(file, `the architecture ${JSON.stringify(architecture.slice(0, 40))}`);
  const key = (name: string): string => `${architecture}.${name}`;
  const count = (name: string, most: number): number => file.count(key(name), 1, most);
  const heads = count('attention.head_count', 1024);
  const kvHeads = count('attention.head_count_kv', heads);
  const hidden = count('embedding_length', 1 << 17);
  const headSize = hidden / heads;
  if (!Number.isInteger(headSize) || headSize % 2 !== 0 || heads % kvHeads !== 0)
    throw unsupported(file, `${heads} query and ${kvHeads} key heads over a hidden size of ${hidden}`);
  for (const name of ['rope.dimension_count', 'attention.key_length', 'attention.value_length']) {
    if (file.has(key(name)) && file.number(key(name)) !== headSize)
      throw unsupported(file, `${key(name)} = ${file.number(key(name))} beside heads of ${headSize}`);
  }
  for (const name of ['rope.scaling.type', 'rope.scaling.factor', 'expert_count', 'attention.sliding_window']) {
    const isOff =
      !file.has(key(name)) ||
      (name === 'rope.scaling.type' ? file.text(key(name)) === 'none' : file.number(key(name)) === 0);
    if (!isOff) throw unsupported(file, key(name));
  }
  return {
    architecture,
    layers: count('block_count', 1024),
    hidden,
    ffn: count('feed_forward_length', 1 << 20),
    heads,
    kvHeads,
    headSize,
    context: count('context_length', 1 << 30),
    vocabulary: file.texts('tokenizer.ggml.tokens').length,
    ropeTheta: file.number(key('rope.freq_base')),
    epsilon: shortest(file.number(key('attention.layer_norm_rms_epsilon'))),
  };
}

/** The shortest decimal that rounds to the same float32: 1e-5 and not 0.000009999999747378752. */
function shortest(value: number): number {
  for (let digits = 1; digits < 9; digits++) {
    const decimal = Number(value.toPrecision(digits));
    if (Math.fround(decimal) === Math.fround(value)) return decimal;
  }
  return value;
}

function unsupported(file: GgufFile, what: string): MimoError {
  return new MimoError('config-unsupported', `${file.path} has ${what}, which cannot be converted.`, {
    hint: 'Llama and Qwen2 models are read, with plain rotary positions and dense FFNs; nothing else is guessed.',
    file: file.path,
  });
}
