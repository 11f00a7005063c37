// The model of a name.
import { type ChatModel, MimoError } from '@mimokit/protocol';

/** Throws `model-unknown` for a name that is not served. */
export type FindModel = (name: string) => ChatModel;

/** Throws `invalid-argument` when there is no model, or two of one name. */
export function modelsByName(models: readonly ChatModel[]): FindModel {
  const byName = new Map(models.map((model) => [model.modelId, model]));
  if (models.length === 0 || byName.size < models.length) {
    throw new MimoError('invalid-argument', 'A server needs models, each with a name of its own.', {
      hint: 'Pass modelId to openModel.',
      field: 'models',
    });
  }
  return (name) => {
    const model = byName.get(name);
    if (model !== undefined) return model;
    throw new MimoError('model-unknown', `There is no model ${name.slice(0, 128)}.`, {
      hint: `Served here: ${[...byName.keys()].join(', ')}.`,
      field: 'model',
    });
  };
}
