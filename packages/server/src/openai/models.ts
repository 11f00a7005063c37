// The list of models, in OpenAI's shape and in Anthropic's.
import type { ChatModel } from '@mimokit/protocol';

/** A model that runs here also says how much it holds. */
interface Sized {
  info?: { contextLength?: number };
}

export function openaiModel(model: ChatModel, created: number): Record<string, unknown> {
  const contextLength = (model as ChatModel & Sized).info?.contextLength;
  return {
    id: model.modelId,
    object: 'model',
    created,
    owned_by: 'mimokit',
    ...(contextLength === undefined ? {} : { context_length: contextLength, max_model_len: contextLength }),
  };
}

export function anthropicModel(model: ChatModel, created: number): Record<string, unknown> {
  return {
    type: 'model',
    id: model.modelId,
    display_name: model.modelId,
    created_at: new Date(created * 1000).toISOString(),
  };
}

export function anthropicModels(models: readonly ChatModel[], created: number): Record<string, unknown> {
  return {
    data: models.map((model) => anthropicModel(model, created)),
    has_more: false,
    first_id: models[0]?.modelId ?? null,
    last_id: models.at(-1)?.modelId ?? null,
  };
}
