// KV arithmetic of `mimokit inspect`: bytes per context length and how many sequences fit beside the weights.
import type { CheckpointInfo } from '@mimokit/protocol';

export interface ByKind {
  f32: number;
  bf16: number;
  fp8: number;
}

export interface KvPlan {
  /** Global layers, per token. */
  tokenBytes: ByKind;
  /** Rings of sliding layers and MTP heads and the stored hidden rows, per sequence; does not depend on its length. */
  windowBytes: ByKind;
  /** Bytes of one sequence at some lengths, up to the model's context. */
  contexts: { tokens: number; bytes: ByKind }[];
}

const elementBytes: ByKind = { f32: 4, bf16: 2, fp8: 1 };

/** What keys and values take. MTP heads are sliding layers; their ring is the same. */
export function kvPlan(config: CheckpointInfo['config']): KvPlan {
  const { global, sliding, mtpHeads, hiddenSize, contextLength } = config;
  const perPosition = ({ kvHeads, qkDim, vDim }: { kvHeads: number; qkDim: number; vDim: number }): number =>
    kvHeads * (qkDim + vDim);
  const tokenValues = global.layers * perPosition(global);
  const ring = sliding ? (sliding.windowKeys ?? 0) + Math.max(mtpHeads - 1, 0) : 0;
  const windowValues = sliding ? ring * (sliding.layers + mtpHeads) * perPosition(sliding) : 0;
  const hiddenBytes = mtpHeads * hiddenSize * 4;
  const byKind = (count: (bytes: number) => number): ByKind => ({
    f32: count(elementBytes.f32),
    bf16: count(elementBytes.bf16),
    fp8: count(elementBytes.fp8),
  });
  const windowBytes = byKind((bytes) => windowValues * bytes + hiddenBytes);
  return {
    tokenBytes: byKind((bytes) => tokenValues * bytes),
    windowBytes,
    contexts: lengths(contextLength).map((tokens) => ({
      tokens,
      bytes: byKind((bytes) => tokenValues * bytes * tokens + windowValues * bytes + hiddenBytes),
    })),
  };
}

/** Whole sequences of a length that fit into `memoryBytes` beside the weights. */
export function fitOf(
  info: CheckpointInfo,
  plan: KvPlan,
  memoryBytes: number,
): { tokens: number; sequences: ByKind }[] {
  const room = Math.max(memoryBytes - info.totalBytes, 0);
  return plan.contexts.map(({ tokens, bytes }) => ({
    tokens,
    sequences: {
      f32: Math.floor(room / bytes.f32),
      bf16: Math.floor(room / bytes.bf16),
      fp8: Math.floor(room / bytes.fp8),
    },
  }));
}

/** 1k, 4k, 16k … and the model's own context. */
function lengths(contextLength: number): number[] {
  const list: number[] = [];
  for (let tokens = 1024; tokens < contextLength; tokens *= 4) list.push(tokens);
  return [...list, contextLength];
}
