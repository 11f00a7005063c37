// The chat template a checkpoint folder brings itself. MiMo's is built in, exactly; any other model was trained on its own, which
// stands in the folder as Jinja text.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ChatTemplate } from '@mimokit/chat-template';
import { MimoError } from '@mimokit/protocol';

export interface OwnTemplate {
  template: ChatTemplate;
  /** For people: that it is not MiMo's. */
  notice: string;
}

/**
 * The folder's template, unless it has none or MiMo's. Throws `config-invalid` when tokenizer_config.json is no JSON object, and
 * `invalid-argument` when the template cannot be read.
 */
export async function ownTemplate(directory: string): Promise<OwnTemplate | undefined> {
  const config = await readConfig(directory);
  const source = (await read(join(directory, 'chat_template.jinja'))) ?? templateIn(config.chat_template);
  // Every template of the family says in its system text who the model is.
  if (source === undefined || source.includes('MiMo')) return undefined;
  const { fromJinja } = await import('@mimokit/chat-template/jinja');
  const [bos, eos] = [textOf(config.bos_token), textOf(config.eos_token)];
  const template = fromJinja(source, {
    name: 'own',
    stopTokens: eos === undefined ? [] : [eos],
    variables: { bos_token: bos ?? '', eos_token: eos ?? '' },
  });
  return { template, notice: `Prompts by the chat template of ${directory}, which is not MiMo's.` };
}

/** One text, or named ones of which `default` is for chats. */
function templateIn(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  if (!Array.isArray(value)) return undefined;
  const named = (value as readonly unknown[]).find((each) => isObject(each) && each.name === 'default');
  return isObject(named) && typeof named.template === 'string' ? named.template : undefined;
}

/** A token is written as its text or as an object with more about it. */
function textOf(token: unknown): string | undefined {
  if (typeof token === 'string') return token;
  return isObject(token) && typeof token.content === 'string' ? token.content : undefined;
}

async function readConfig(directory: string): Promise<Readonly<Record<string, unknown>>> {
  const file = 'tokenizer_config.json';
  const text = await read(join(directory, file));
  if (text === undefined) return {};
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new MimoError('config-invalid', `${file} is not JSON.`, { file, cause });
  }
  if (!isObject(value)) throw new MimoError('config-invalid', `${file} is not a JSON object.`, { file });
  return value;
}

async function read(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return undefined;
    throw new MimoError('checkpoint-missing-file', `${file} cannot be read.`, { file, cause });
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
