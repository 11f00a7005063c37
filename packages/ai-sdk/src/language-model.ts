// A ChatModel as a language model of the AI SDK, version 4 of its interface. Version 3 is a view of this one: v3.ts.
import type { LanguageModelV4, LanguageModelV4CallOptions, LanguageModelV4StreamPart } from '@ai-sdk/provider';
import { type ChatModel, MimoError, type StreamEvent } from '@mimokit/protocol';
import { contentOf, createPartWriter, finishOf, metadataOf, usageOf } from './parts-out.ts';
import { type ModelSettings, readRequest } from './request-in.ts';

/** The provider's name in the SDK's logs and errors. */
const providerName = 'mimokit';

/**
 * For `generateText`, `streamText` and agents of `ai` 7. Reasoning goes back byte for byte in tool loops, calls as the model
 * wrote them. Errors of the model pass as they are (MimoError); an abort rejects with the signal's reason.
 */
export function languageModel(model: ChatModel, settings: ModelSettings = {}): LanguageModelV4 {
  return {
    specificationVersion: 'v4',
    provider: providerName,
    modelId: model.modelId,
    // The SDK fetches and encodes media itself, unless a server is known to.
    supportedUrls: {},
    async doGenerate(options) {
      const { request, warnings } = readRequest(options, settings);
      let finish: Finish | undefined;
      for await (const event of model.chat(request)) if (event.type === 'finish') finish = event;
      if (finish === undefined) throw endless(model);
      if (finish.reason === 'aborted') throwAborted(options);
      return {
        content: contentOf(finish.message),
        finishReason: finishOf(finish.reason),
        usage: usageOf(finish.usage),
        ...metadataOf(finish.usage),
        response: { modelId: model.modelId, timestamp: new Date() },
        warnings,
      };
    },
    async doStream(options) {
      const { request, warnings } = readRequest(options, settings);
      const leaving = new AbortController();
      const signal = request.signal ? AbortSignal.any([request.signal, leaving.signal]) : leaving.signal;
      const events = model.chat({ ...request, signal })[Symbol.asyncIterator]();
      // A refused request rejects here, where the SDK's fallbacks look for it, and not in mid-stream.
      const first = await events.next();
      const parts = writeParts(model, options, goOn(first, events), [
        { type: 'stream-start', warnings },
        { type: 'response-metadata', modelId: model.modelId, timestamp: new Date() },
      ]);
      return { stream: toStream(parts, () => leaving.abort()) };
    },
  };
}

async function* goOn(
  first: IteratorResult<StreamEvent>,
  events: AsyncIterator<StreamEvent>,
): AsyncGenerator<StreamEvent, void> {
  try {
    for (let next = first; next.done !== true; next = await events.next()) yield next.value;
  } finally {
    await events.return?.();
  }
}

type Finish = Extract<StreamEvent, { type: 'finish' }>;

async function* writeParts(
  model: ChatModel,
  options: LanguageModelV4CallOptions,
  events: AsyncIterable<StreamEvent>,
  first: readonly LanguageModelV4StreamPart[],
): AsyncGenerator<LanguageModelV4StreamPart, void> {
  yield* first;
  const writer = createPartWriter();
  let isFinished = false;
  try {
    for await (const event of events) {
      if (options.includeRawChunks === true) yield { type: 'raw', rawValue: event };
      if (event.type === 'finish') {
        if (event.reason === 'aborted') throwAborted(options);
        isFinished = true;
      }
      yield* writer.write(event);
    }
    if (!isFinished) throw endless(model);
  } catch (error) {
    // The SDK tells an abort from a failure by the stream's own error; a failure is a part, after what there was.
    if (options.abortSignal?.aborted === true) throw error;
    yield* writer.fail(error);
  }
}

/** Pulled part by part: a slow reader slows the model down, and cancelling stops it. */
function toStream(
  parts: AsyncGenerator<LanguageModelV4StreamPart, void>,
  leave: () => void,
): ReadableStream<LanguageModelV4StreamPart> {
  return new ReadableStream({
    async pull(controller) {
      try {
        const { done, value } = await parts.next();
        if (done) controller.close();
        else controller.enqueue(value);
      } catch (error) {
        controller.error(error);
      }
    },
    async cancel() {
      leave();
      await parts.return();
    },
  });
}

/** An answer that was aborted is none: the SDK knows it by the signal's reason. */
function throwAborted({ abortSignal }: LanguageModelV4CallOptions): void {
  if (abortSignal?.aborted === true) throw abortSignal.reason;
}

function endless(model: ChatModel): MimoError {
  return new MimoError('stream-malformed', `The stream of ${model.modelId} ended without a finish event.`, {
    hint: 'Every ChatModel ends with one; run the conformance cases of @mimokit/protocol/testing on it.',
  });
}
