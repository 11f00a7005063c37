// The oracle of engines: one sequence, alone, token by token, straight on a runner. No cache, no chunks, no drafts.
import { type ModelRunner, none, resolveSampling, type Sampling, type StepBatch } from '@mimokit/protocol';
import { type Demand, givenBy, type Guide } from '../guide.ts';

export interface PlainRequest {
  ids: ArrayLike<number>;
  maxTokens: number;
  sampling?: Partial<Sampling>;
  seed?: number;
  /** Ids that end the answer; default: the model's. */
  stopIds?: readonly number[];
  bias?: ReadonlyMap<number, number>;
  guide?: Guide;
}

/** The ids this request must have, however it is batched. The runner must be idle; its blocks and windows are overwritten. */
export async function plainIds(runner: ModelRunner, request: PlainRequest): Promise<number[]> {
  const s = resolveSampling(request.sampling);
  const stopIds = request.stopIds ?? runner.info.eosTokenIds;
  const tokens = Array.from(request.ids);
  const prompt = tokens.length;
  const hasPenalties = s.repetitionPenalty !== 1 || s.frequencyPenalty !== 0 || s.presencePenalty !== 0;
  let { guide } = request;
  let context = 0;
  while (tokens.length - prompt < request.maxTokens && !(tokens.length > prompt && stopIds.includes(tokens.at(-1)!))) {
    const given = givenBy(guide?.demand);
    if (given !== undefined) {
      tokens.push(given);
      guide = guide?.after(given);
      continue;
    }
    const bias = biasUnder(guide?.demand, request.bias ?? new Map(), runner.info.vocabSize);
    const counts = new Map<number, number>();
    if (hasPenalties) {
      tokens.forEach((id, position) => counts.set(id, (counts.get(id) ?? 0) + (position < prompt ? 0 : 1)));
    }
    const blocks = Math.ceil(tokens.length / runner.capacity.blockTokens);
    const batch: StepBatch = {
      tokens: Int32Array.from(tokens.slice(context)),
      rowStart: Int32Array.of(0, tokens.length - context),
      contextLen: Int32Array.of(context),
      draftLen: Int32Array.of(0),
      samples: Uint8Array.of(1),
      draftNext: Int32Array.of(0),
      blockTable: Int32Array.from({ length: blocks }, (_, block) => block),
      blockStart: Int32Array.of(0, blocks),
      windows: Int32Array.of(0),
      copyWindow: Int32Array.of(none),
      saveWindow: Int32Array.of(none),
      copyBlock: Int32Array.of(none, none),
      sampling: Float32Array.of(
        s.temperature,
        s.topP,
        s.topK,
        s.minP,
        s.repetitionPenalty,
        s.frequencyPenalty,
        s.presencePenalty,
      ),
      seeds: Uint32Array.of((request.seed ?? 0) >>> 0),
      topLogprobs: Uint8Array.of(0),
      wantRoutes: Uint8Array.of(0),
      biasStart: Int32Array.of(0, bias.length),
      biasIds: Int32Array.from(bias, ([id]) => id),
      biasValues: Float32Array.from(bias, ([, value]) => value),
      countStart: Int32Array.of(0, counts.size),
      countIds: Int32Array.from(counts.keys()),
      countValues: Int32Array.from(counts.values()),
    };
    const { tokens: ids } = await runner.step(batch);
    context = tokens.length;
    tokens.push(ids[0]);
    guide = guide?.after(ids[0]);
  }
  return tokens.slice(prompt);
}

function biasUnder(demand: Demand | undefined, wish: ReadonlyMap<number, number>, ids: number): [number, number][] {
  const isOut = (id: number): boolean =>
    demand !== undefined && ('ban' in demand ? demand.ban.includes(id) : !demand.allow.includes(id));
  return Array.from({ length: ids }, (_, id): [number, number] => [
    id,
    isOut(id) ? -Infinity : (wish.get(id) ?? 0),
  ]).filter(([, value]) => value !== 0);
}
