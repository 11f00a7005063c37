// A GGUF file of a few hundred kilobytes with weights of every format that is read, and the means to damage it.
import { byteLevelTokens } from './byte-level-tokens.ts';

export type Value =
  | { type: 'u32'; value: number }
  | { type: 'f32'; value: number }
  | { type: 'text'; value: string }
  | { type: 'texts'; value: readonly string[] }
  | { type: 'i32s'; value: readonly number[] };

export interface TinyTensor {
  name: string;
  /** Fastest dimension first, as GGUF has it. */
  dims: readonly number[];
  /** ggml's number of the format. */
  type: number;
  bytes: Uint8Array;
}

export interface TinyGguf {
  metadata: Map<string, Value>;
  tensors: TinyTensor[];
}

/** Bytes a block and values a block, and where its 16-bit scales are. */
const formats: Readonly<Record<number, { bytes: number; values: number; scales: readonly number[] }>> = {
  0: { bytes: 4, values: 1, scales: [] },
  1: { bytes: 2, values: 1, scales: [0] },
  2: { bytes: 18, values: 32, scales: [0] },
  3: { bytes: 20, values: 32, scales: [0, 2] },
  6: { bytes: 22, values: 32, scales: [0] },
  7: { bytes: 24, values: 32, scales: [0, 2] },
  8: { bytes: 34, values: 32, scales: [0] },
  12: { bytes: 144, values: 256, scales: [0, 2] },
  13: { bytes: 176, values: 256, scales: [0, 2] },
  14: { bytes: 210, values: 256, scales: [208] },
  30: { bytes: 2, values: 1, scales: [] },
};

/** The same numbers on every machine (mulberry32). */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
}

const hidden = 256;
const ffn = 512;

/** Two layers. Llama: 2 query and 2 KV heads; Qwen2: 4 and 2, with biases. */
export function tinyGguf(architecture: 'llama' | 'qwen2'): TinyGguf {
  const next = numbers(architecture.length);
  const isLlama = architecture === 'llama';
  const heads = isLlama ? 2 : 4;
  const headSize = hidden / heads;
  const tokens = [...byteLevelTokens(), 'th', 'the', '<|endoftext|>', '<|im_start|>', '<|im_end|>'];
  const tensors: TinyTensor[] = [];
  const add = (name: string, dims: readonly number[], type: number): void => {
    const { bytes: size, values, scales } = formats[type]!;
    const blocks = dims.reduce((product, each) => product * each, 1) / values;
    const bytes = new Uint8Array(blocks * size);
    for (let i = 0; i < bytes.length; i++) bytes[i] = next();
    const view = new DataView(bytes.buffer);
    for (let block = 0; block < blocks; block++) {
      // Small numbers, for random bits may be none: an exponent of 2^-6 and a random sign and fraction.
      for (const at of scales) view.setUint16(block * size + at, (next() & 0x83ff) | (9 << 10), true);
      if (type === 0) view.setFloat32(block * size, (next() / 2 ** 32 - 0.5) / 8, true);
      if (type === 30) view.setUint16(block * size, (next() & 0x807f) | (121 << 7), true);
    }
    tensors.push({ name, dims, type, bytes });
  };
  add('token_embd.weight', [hidden, tokens.length], 8);
  for (let layer = 0; layer < 2; layer++) {
    const types = layer === 0 ? [12, 13, 14, 2, 3, 6, 7] : [1, 30, 0, 8, 12, 14, 13];
    const [q, k, v, o, gate, up, down] = types as [number, number, number, number, number, number, number];
    const block = (name: string, dims: readonly number[], type: number): void =>
      add(`blk.${layer}.${name}`, dims, type);
    block('attn_norm.weight', [hidden], 0);
    block('attn_q.weight', [hidden, heads * headSize], q);
    block('attn_k.weight', [hidden, 2 * headSize], k);
    block('attn_v.weight', [hidden, 2 * headSize], v);
    block('attn_output.weight', [heads * headSize, hidden], o);
    if (!isLlama) {
      block('attn_q.bias', [heads * headSize], 0);
      block('attn_k.bias', [2 * headSize], 0);
      block('attn_v.bias', [2 * headSize], 0);
    }
    block('ffn_norm.weight', [hidden], 0);
    block('ffn_gate.weight', [hidden, ffn], gate);
    block('ffn_up.weight', [hidden, ffn], up);
    block('ffn_down.weight', [ffn, hidden], down);
  }
  add('output_norm.weight', [hidden], 0);
  if (!isLlama) add('output.weight', [hidden, tokens.length], 14);
  const u32 = (value: number): Value => ({ type: 'u32', value });
  const metadata = new Map<string, Value>([
    ['general.architecture', { type: 'text', value: architecture }],
    ['general.name', { type: 'text', value: `tiny ${architecture}` }],
    ['general.license', { type: 'text', value: 'apache-2.0' }],
    [`${architecture}.block_count`, u32(2)],
    [`${architecture}.context_length`, u32(512)],
    [`${architecture}.embedding_length`, u32(hidden)],
    [`${architecture}.feed_forward_length`, u32(ffn)],
    [`${architecture}.attention.head_count`, u32(heads)],
    [`${architecture}.attention.head_count_kv`, u32(2)],
    [`${architecture}.rope.freq_base`, { type: 'f32', value: 10_000 }],
    [`${architecture}.attention.layer_norm_rms_epsilon`, { type: 'f32', value: 1e-5 }],
    ['tokenizer.ggml.model', { type: 'text', value: 'gpt2' }],
    ['tokenizer.ggml.pre', { type: 'text', value: isLlama ? 'smollm' : 'qwen2' }],
    ['tokenizer.ggml.tokens', { type: 'texts', value: tokens }],
    ['tokenizer.ggml.token_type', { type: 'i32s', value: tokens.map((_, id) => (id < 258 ? 1 : 3)) }],
    ['tokenizer.ggml.merges', { type: 'texts', value: ['t h', 'th e'] }],
    ['tokenizer.ggml.bos_token_id', u32(259)],
    ['tokenizer.ggml.eos_token_id', u32(260)],
    ['tokenizer.ggml.padding_token_id', u32(260)],
    ['tokenizer.ggml.unknown_token_id', u32(258)],
    ['tokenizer.chat_template', { type: 'text', value: '{{ messages }}' }],
  ]);
  return { metadata, tensors };
}

/** The bytes of the file; `counts` lies about how many tensors and keys there are. */
export function encodeGguf({ metadata, tensors }: TinyGguf, counts: { tensors?: number; keys?: number } = {}): Buffer {
  const parts: Buffer[] = [];
  const u32 = (value: number): void => void parts.push(Buffer.from(Uint32Array.of(value).buffer));
  const u64 = (value: number | bigint): void => void parts.push(Buffer.from(BigUint64Array.of(BigInt(value)).buffer));
  const text = (value: string): void => {
    u64(Buffer.byteLength(value));
    parts.push(Buffer.from(value));
  };
  parts.push(Buffer.from('GGUF'));
  u32(3);
  u64(counts.tensors ?? tensors.length);
  u64(counts.keys ?? metadata.size);
  for (const [key, entry] of metadata) {
    text(key);
    u32({ u32: 4, f32: 6, text: 8, texts: 9, i32s: 9 }[entry.type]);
    if (entry.type === 'u32') u32(entry.value);
    else if (entry.type === 'f32') parts.push(Buffer.from(Float32Array.of(entry.value).buffer));
    else if (entry.type === 'text') text(entry.value);
    else if (entry.type === 'texts') {
      u32(8);
      u64(entry.value.length);
      entry.value.forEach(text);
    } else {
      u32(5);
      u64(entry.value.length);
      parts.push(Buffer.from(Int32Array.from(entry.value).buffer));
    }
  }
  let offset = 0;
  for (const { name, dims, type, bytes } of tensors) {
    text(name);
    u32(dims.length);
    dims.forEach(u64);
    u32(type);
    u64(offset);
    offset += aligned(bytes.length);
  }
  const header = Buffer.concat(parts);
  const padded = (bytes: Uint8Array): Buffer[] => [
    Buffer.from(bytes),
    Buffer.alloc(aligned(bytes.length) - bytes.length),
  ];
  return Buffer.concat([...padded(header), ...tensors.flatMap(({ bytes }) => padded(bytes))]);
}

const aligned = (size: number): number => Math.ceil(size / 32) * 32;
