// A made checkpoint for long contexts: random weights, dims so small that attention over 262,144 tokens ends in minutes, shapes
// as in the released model: global layers whose KV grows, sliding layers whose KV does not, sinks, dense feed-forwards.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Sizes of the made model; `prompt` and `answer` are counts of ids. */
interface ContextDims {
  hidden: number;
  width: number;
  vocabulary: number;
  heads: number;
  kvHeads: number;
  qkDim: number;
  vDim: number;
  window: number;
  /** MIMOKIT_CONTEXT_TOKENS for a quick look; the cost of the global layer grows with its square. */
  prompt: number;
  /** Ids that are decoded behind the prompt. */
  answer: number;
}

export const dims: ContextDims = {
  hidden: 64,
  width: 64,
  vocabulary: 256,
  heads: 2,
  kvHeads: 2,
  qkDim: 32,
  vDim: 32,
  window: 128,
  prompt: Number(process.env['MIMOKIT_CONTEXT_TOKENS'] ?? 262_144),
  answer: 64,
};

/** Bytes of keys and values of one position of one layer, in FP32. */
export const bytesPerPosition: number = dims.kvHeads * (dims.qkDim + dims.vDim) * 4;

/** Writes config.json and model.safetensors for these layers: true is sliding. Returns the directory. */
export function writeCheckpoint(directory: string, sliding: readonly boolean[]): string {
  mkdirSync(directory, { recursive: true });
  const { hidden, width, vocabulary, heads, kvHeads, qkDim, vDim } = dims;
  const file = new TensorFile();
  file.add('model.embed_tokens.weight', vocabulary, hidden);
  for (const [layer, isSliding] of sliding.entries()) {
    const at = `model.layers.${layer}`;
    file.add(`${at}.input_layernorm.weight`, hidden);
    file.add(`${at}.self_attn.q_proj.weight`, heads * qkDim, hidden);
    file.add(`${at}.self_attn.k_proj.weight`, kvHeads * qkDim, hidden);
    file.add(`${at}.self_attn.v_proj.weight`, kvHeads * vDim, hidden);
    file.add(`${at}.self_attn.o_proj.weight`, hidden, heads * vDim);
    if (isSliding) file.add(`${at}.self_attn.attention_sink_bias`, heads);
    file.add(`${at}.post_attention_layernorm.weight`, hidden);
    file.add(`${at}.mlp.gate_proj.weight`, width, hidden);
    file.add(`${at}.mlp.up_proj.weight`, width, hidden);
    file.add(`${at}.mlp.down_proj.weight`, hidden, width);
  }
  file.add('model.norm.weight', hidden);
  file.add('lm_head.weight', vocabulary, hidden);
  writeFileSync(join(directory, 'model.safetensors'), file.bytes());
  writeFileSync(join(directory, 'config.json'), JSON.stringify(configOf(sliding)));
  return directory;
}

function configOf(sliding: readonly boolean[]): object {
  const { hidden, width, vocabulary, heads, kvHeads, qkDim, vDim, window, prompt, answer } = dims;
  return {
    architectures: ['MiMoV2FlashForCausalLM'],
    model_type: 'mimo_v2_flash',
    num_hidden_layers: sliding.length,
    hidden_size: hidden,
    intermediate_size: width,
    num_attention_heads: heads,
    num_key_value_heads: kvHeads,
    swa_num_key_value_heads: kvHeads,
    head_dim: qkDim,
    v_head_dim: vDim,
    hybrid_layer_pattern: sliding.map(Number),
    moe_layer_freq: sliding.map(() => 0),
    sliding_window: window,
    rope_theta: 5_000_000,
    swa_rope_theta: 10_000,
    partial_rotary_factor: 0.5,
    // Room for an answer behind a prompt as long as the released model's whole context.
    max_position_embeddings: prompt + answer,
    layernorm_epsilon: 1e-5,
    attention_value_scale: 0.707,
    vocab_size: vocabulary,
  };
}

/** FP32 tensors of numbers between -0.2 and 0.2, the same in every run. */
class TensorFile {
  readonly #header: Record<string, object> = {};
  readonly #parts: Float32Array[] = [];
  #end = 0;
  #state = 1;

  add(name: string, ...shape: number[]): void {
    const values = new Float32Array(shape.reduce((product, size) => product * size, 1));
    for (let index = 0; index < values.length; index++) {
      this.#state = (Math.imul(this.#state, 1664525) + 1013904223) >>> 0;
      values[index] = (this.#state / 2 ** 32 - 0.5) * 0.4;
    }
    this.#header[name] = { dtype: 'F32', shape, data_offsets: [this.#end, this.#end + values.byteLength] };
    this.#end += values.byteLength;
    this.#parts.push(values);
  }

  bytes(): Uint8Array {
    const json = Buffer.from(JSON.stringify(this.#header));
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(json.length));
    return Buffer.concat([length, json, ...this.#parts.map((part) => Buffer.from(part.buffer))]);
  }
}
