// GuidedRequest → SequenceRequest: everything that can be wrong with a request is found here, before it takes any room.
import { type KvCapacity, MimoError, type ModelInfo } from '@mimokit/protocol';
import type { GuidedRequest } from './guide.ts';
import { formatBytes, largestAnswer, needOf } from './kv/geometry.ts';
import { biasOf, samplingRow, seedOf } from './sampling.ts';
import type { SequenceRequest } from './sequence.ts';

const mostRivals = 255;

/**
 * Checks a request against model and pools. Throws `invalid-argument`, `token-out-of-range`, `context-overflow` (longer than
 * the model's context) or `kv-too-small` (would not fit even alone).
 */
export function checkRequest(request: GuidedRequest, info: ModelInfo, capacity: KvCapacity): SequenceRequest {
  const prompt = checkedPrompt(request.ids, info);
  const maxTokens = checkedLength(prompt.length, request.maxTokens, info, capacity);
  const { topLogprobs = 0, priority = 0 } = request;
  if (!Number.isInteger(topLogprobs) || topLogprobs < 0 || topLogprobs > Math.min(mostRivals, info.vocabSize)) {
    throw new MimoError('invalid-argument', `topLogprobs is ${topLogprobs}; it must be 0 to ${mostRivals}.`, {
      field: 'topLogprobs',
    });
  }
  if (Number.isNaN(priority)) throw new MimoError('invalid-argument', 'priority is NaN.', { field: 'priority' });
  return {
    prompt,
    maxTokens,
    sampling: samplingRow(request.sampling),
    seed: seedOf(request.seed),
    stopIds: new Set(request.ignoreEos === true ? [] : (request.stopIds ?? info.eosTokenIds)),
    bias: biasOf(request.bias, info.vocabSize),
    topLogprobs,
    wantRoutes: request.wantRoutes ?? false,
    wantProgress: request.wantProgress ?? false,
    mtp: request.mtp ?? true,
    namespace: request.namespace ?? '',
    priority,
    guide: request.guide,
  };
}

function checkedPrompt(ids: ArrayLike<number>, info: ModelInfo): Int32Array {
  if (ids.length === 0) {
    throw new MimoError('invalid-argument', 'The prompt has no ids.', { hint: 'Send at least one id.', field: 'ids' });
  }
  for (let index = 0; index < ids.length; index++) {
    const id = ids[index];
    if (!Number.isInteger(id) || id < 0 || id >= info.vocabSize) {
      throw new MimoError(
        'token-out-of-range',
        `ids[${index}] is ${id}; the vocabulary has ids 0 to ${info.vocabSize - 1}.`,
        { hint: 'Encode with the tokenizer of this model.', id, index },
      );
    }
  }
  return Int32Array.from(ids);
}

function checkedLength(prompt: number, wanted: number | undefined, info: ModelInfo, capacity: KvCapacity): number {
  if (wanted !== undefined && (!Number.isSafeInteger(wanted) || wanted < 1)) {
    throw new MimoError('invalid-argument', `maxTokens is ${wanted}; it must be a count of at least 1.`, {
      field: 'maxTokens',
    });
  }
  const inContext = info.contextLength - prompt;
  if (inContext < (wanted ?? 1)) {
    const rest = wanted === undefined ? 'nothing is left for an answer' : `maxTokens asks for ${wanted} more`;
    throw new MimoError(
      'context-overflow',
      `The prompt has ${prompt} tokens and ${rest}; the model holds ${info.contextLength}.`,
      {
        hint: inContext > 0 ? `Send maxTokens of at most ${inContext}, or shorten the prompt.` : 'Shorten the prompt.',
        promptTokens: prompt,
        maxTokens: wanted,
        contextLength: info.contextLength,
      },
    );
  }
  const inPool = largestAnswer(capacity, prompt);
  const maxTokens = wanted ?? Math.max(1, Math.min(inContext, inPool));
  const need = needOf(info, capacity.blockTokens, prompt, maxTokens);
  if (need.blocks > capacity.blocks || capacity.windows < 1) {
    const fits = inPool > 0 ? `, or send maxTokens of at most ${inPool}` : '';
    throw new MimoError(
      'kv-too-small',
      `A request of ${prompt} + ${maxTokens} tokens needs ${need.blocks} blocks and 1 window (${formatBytes(need.bytes)}); the pools have ${capacity.blocks} and ${capacity.windows}.`,
      {
        hint: `Open the model with kvBytes of at least ${formatBytes(need.bytes)} (${need.bytes})${fits}.`,
        neededBlocks: need.blocks,
        neededBytes: need.bytes,
        blocks: capacity.blocks,
        windows: capacity.windows,
      },
    );
  }
  return maxTokens;
}
