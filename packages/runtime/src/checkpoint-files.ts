// The small text files beside the weights: what the runtime reads of a checkpoint directory. Weights are the runner's.
import { MimoError } from '@mimokit/protocol';

/** Facts of a checkpoint that concern text. */
export interface CheckpointTexts {
  /** `model_type` of config.json. */
  modelType: string;
  /** Rows of the embedding, as config.json has it. */
  vocabSize: number | undefined;
  /** End-of-sequence ids of config.json and generation_config.json together. */
  eosTokenIds: readonly number[];
  /** tokenizer.json as text, if there is one. */
  tokenizerJson: string | undefined;
}

/** Reads them. Node only. Throws `checkpoint-missing-file` or `config-invalid` naming file and field. */
export async function readCheckpointTexts(directory: string): Promise<CheckpointTexts> {
  const { readFile } = await import('node:fs/promises');
  const { join } = await import('node:path');
  const read = async (name: string): Promise<string | undefined> => {
    try {
      return await readFile(join(directory, name), 'utf8');
    } catch (cause) {
      if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return undefined;
      throw new MimoError('checkpoint-missing-file', `${join(directory, name)} cannot be read.`, { file: name, cause });
    }
  };
  const config = await read('config.json');
  if (config === undefined) {
    throw new MimoError('checkpoint-missing-file', `${directory} has no config.json.`, {
      hint: 'Point at a directory in the hub format: config.json, *.safetensors, tokenizer.json.',
      file: 'config.json',
      directory,
    });
  }
  const fields = parseObject('config.json', config);
  const generation = await read('generation_config.json');
  const eos = [
    ...idsOf('config.json', fields.eos_token_id),
    ...(generation === undefined
      ? []
      : idsOf('generation_config.json', parseObject('generation_config.json', generation).eos_token_id)),
  ];
  return {
    modelType: typeof fields.model_type === 'string' ? fields.model_type : '',
    vocabSize: typeof fields.vocab_size === 'number' ? fields.vocab_size : undefined,
    eosTokenIds: [...new Set(eos)],
    tokenizerJson: await read('tokenizer.json'),
  };
}

function parseObject(file: string, text: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new MimoError('config-invalid', `${file} is not JSON.`, { file, cause });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new MimoError('config-invalid', `${file} is not a JSON object.`, { file });
  }
  return value as Readonly<Record<string, unknown>>;
}

function idsOf(file: string, value: unknown): number[] {
  if (value === undefined || value === null) return [];
  const list: unknown[] = Array.isArray(value) ? value : [value];
  return list.map((id) => {
    if (typeof id === 'number' && Number.isInteger(id) && id >= 0) return id;
    throw new MimoError('config-invalid', `${file}: eos_token_id holds ${String(id)}, which is no id.`, {
      file,
      field: 'eos_token_id',
    });
  });
}
