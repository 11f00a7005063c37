// A checkpoint without its weights: config, tensors and sizes from the headers alone, as `mimokit inspect` prints them.
import type { AttentionInfo, CheckpointInfo } from '@mimokit/protocol';
import { Checkpoint, type CheckpointFiles, openConfig } from './checkpoint.ts';
import type { AttentionShape, ModelConfig } from './config.ts';
import { countMtpHeads } from './weights.ts';

/** Reads config and headers. Throws the checkpoint and config errors of `createJsRunner`. */
export async function readCheckpointInfo(files: CheckpointFiles): Promise<CheckpointInfo> {
  const config = await openConfig(files);
  const checkpoint = await Checkpoint.open(files);
  const bytes: Record<keyof CheckpointInfo['bytes'], number> = {
    embeddings: 0,
    attention: 0,
    denseFfn: 0,
    router: 0,
    experts: 0,
    mtp: 0,
    norms: 0,
    foreign: 0,
  };
  const tensors = [...checkpoint.names()].sort().map((name) => {
    const { dtype, shape, start, end } = checkpoint.entry(name);
    bytes[partOf(name)] += end - start;
    return { name, dtype, shape: [...shape], bytes: end - start };
  });
  const slidingLayers = config.sliding.filter(Boolean).length;
  const moeLayers = config.sparse.filter(Boolean).length;
  return {
    config: {
      vocabSize: config.vocabSize,
      hiddenSize: config.hiddenSize,
      contextLength: config.contextLength,
      layers: config.layers,
      layerKinds: config.sliding.map((sliding, layer) => [
        sliding ? 'sliding' : 'global',
        config.sparse[layer] ? 'moe' : 'dense',
      ]),
      global: attentionInfo(config.global, config.layers - slidingLayers, null),
      sliding: slidingLayers === 0 ? null : attentionInfo(config.window, slidingLayers, config.windowKeys),
      moe: moeInfo(config, moeLayers),
      denseWidth: config.denseWidth,
      valueScale: config.valueScale,
      eps: config.epsilon,
      tiedEmbeddings: config.tiedHead,
      eosTokenIds: config.eosTokenIds,
      mtpHeads: countMtpHeads(checkpoint),
    },
    bytes,
    totalBytes: checkpoint.totalBytes,
    tensors,
  };
}

function attentionInfo(shape: AttentionShape, layers: number, windowKeys: number | null): AttentionInfo {
  const { heads, kvHeads, headDim, valueDim, rotaryDim, theta, sink } = shape;
  return {
    layers,
    heads,
    kvHeads,
    qkDim: headDim,
    vDim: valueDim,
    rotaryDim,
    ropeTheta: theta,
    windowKeys,
    sinks: sink,
  };
}

function moeInfo({ experts, topK, expertWidth }: ModelConfig, layers: number): CheckpointInfo['config']['moe'] {
  return layers === 0 ? null : { layers, experts, topK, width: expertWidth };
}

/** The part of the model a tensor belongs to, by its name in the hub. */
function partOf(name: string): keyof CheckpointInfo['bytes'] {
  if (name.startsWith('model.mtp.')) return 'mtp';
  if (name === 'model.embed_tokens.weight' || name === 'lm_head.weight') return 'embeddings';
  if (name === 'model.norm.weight' || name.includes('layernorm')) return 'norms';
  if (name.includes('.self_attn.')) return 'attention';
  if (name.includes('.mlp.experts.')) return 'experts';
  if (name.includes('.mlp.gate.')) return 'router';
  return name.includes('.mlp.') ? 'denseFfn' : 'foreign';
}
