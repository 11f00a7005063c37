// Several models under names, as a provider of the AI SDK's registry.
import { type EmbeddingModelV4, type ImageModelV4, NoSuchModelError, type ProviderV4 } from '@ai-sdk/provider';
import type { ChatModel } from '@mimokit/protocol';
import { languageModel } from './language-model.ts';
import type { ModelSettings } from './request-in.ts';

/** A provider of these models by name, for `createProviderRegistry`. Asking for another throws the SDK's NoSuchModelError. */
export function createProvider(models: Readonly<Record<string, ChatModel>>, settings: ModelSettings = {}): ProviderV4 {
  return {
    specificationVersion: 'v4',
    languageModel(modelId) {
      const model = Object.hasOwn(models, modelId) ? models[modelId] : undefined;
      if (model === undefined) throw new NoSuchModelError({ modelId, modelType: 'languageModel' });
      return languageModel(model, settings);
    },
    embeddingModel(modelId): EmbeddingModelV4 {
      throw new NoSuchModelError({ modelId, modelType: 'embeddingModel' });
    },
    imageModel(modelId): ImageModelV4 {
      throw new NoSuchModelError({ modelId, modelType: 'imageModel' });
    },
  };
}
