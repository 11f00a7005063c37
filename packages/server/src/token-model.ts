// Whether a served model also takes and gives ids: then it runs here, and the token-level routes know it.
import { type ChatModel, MimoError, type TokenModel } from '@mimokit/protocol';

/** Throws `not-found` for a model that is only a ChatModel, such as a client of another server. */
export function tokenModel(model: ChatModel): ChatModel & TokenModel {
  if (isTokenModel(model)) return model;
  throw new MimoError('not-found', `${model.modelId} does not run here: its ids are not known.`, {
    hint: 'Ask the server that runs it.',
    field: 'model',
  });
}

function isTokenModel(model: ChatModel): model is ChatModel & TokenModel {
  return ['generate', 'tokenize', 'detokenize', 'render'].every(
    (name) => typeof (model as unknown as Record<string, unknown>)[name] === 'function',
  );
}
