// What a checkpoint folder says of itself, from its headers alone: no weight is read.

/** One kind of attention layer: global or sliding. */
export interface AttentionInfo {
  /** How many layers of this kind. */
  layers: number;
  heads: number;
  kvHeads: number;
  qkDim: number;
  vDim: number;
  rotaryDim: number;
  ropeTheta: number;
  /** Keys a query sees, itself included; null on global layers. */
  windowKeys: number | null;
  sinks: boolean;
}

export interface CheckpointInfo {
  config: {
    vocabSize: number;
    hiddenSize: number;
    contextLength: number;
    layers: number;
    layerKinds: readonly (readonly ['global' | 'sliding', 'dense' | 'moe'])[];
    global: AttentionInfo;
    sliding: AttentionInfo | null;
    moe: { layers: number; experts: number; topK: number; width: number } | null;
    denseWidth: number;
    valueScale: number;
    eps: number;
    tiedEmbeddings: boolean;
    eosTokenIds: readonly number[];
    mtpHeads: number;
  };
  /** Bytes by part; `foreign` are tensors that no part of the model asks for. */
  bytes: {
    embeddings: number;
    attention: number;
    denseFfn: number;
    router: number;
    experts: number;
    mtp: number;
    norms: number;
    foreign: number;
  };
  totalBytes: number;
  /** By name. */
  tensors: readonly { name: string; dtype: string; shape: readonly number[]; bytes: number }[];
}
