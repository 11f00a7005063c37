// A checkpoint directory and a runner → a model to talk to: tokenizer, template, engine and chat, put together and owned.
import { type ChatTemplate, createChatTemplate, type Profile, type ProfileName } from '@mimokit/chat-template';
import {
  type ChatModel,
  type ChatRequest,
  type ChatStream,
  type GenerateEvent,
  type GenerateRequest,
  type Inspector,
  MimoError,
  type ModelInfo,
  type ModelRunner,
  type RunnerFactory,
  type RunnerOptions,
  type Tensor,
  type TokenModel,
} from '@mimokit/protocol';
import { createTokenizer, type Tokenizer } from '@mimokit/tokenizer';
import { type CheckpointTexts, readCheckpointTexts } from './checkpoint-files.ts';
import { type ChatParts, chatStopIds, createChat, type LocalChat, type PromptEncoder } from './chat.ts';
import { createEngine, type Engine, type EngineParts } from './engine.ts';
import type { CacheReport } from './kv/why-miss.ts';
import type { EngineStats } from './stats.ts';

export interface OpenModelOptions extends Omit<EngineParts, 'runner'> {
  /** Opens the weights: `nativeRunner` of @mimokit/kernels, `jsRunner` of @mimokit/runner-js/node, or your own. */
  runner: RunnerFactory;
  runnerOptions?: RunnerOptions;
  /** Default: by the config's model_type. */
  template?: ChatTemplate | Profile | ProfileName;
  /** Default: tokenizer.json of the directory. */
  tokenizer?: Tokenizer;
  /** For long prompts: a pool of @mimokit/tokenizer/pool, so that encoding does not hold up other answers. It stays yours. */
  encoder?: PromptEncoder | undefined;
  /** Default: the directory's name. */
  modelId?: string;
}

/** A model in this process. Owns runner and engine: `await using`, or call dispose(). */
export interface LocalModel extends ChatModel, TokenModel, Inspector, AsyncDisposable {
  readonly info: ModelInfo;
  /** Without a tokenizer.json the model takes and gives ids only. */
  readonly hasTokenizer: boolean;
  stats(): EngineStats;
  /** What of a prompt is cached now, and if not all, why. */
  explainCache(ids: ArrayLike<number>, namespace?: string): CacheReport;
  dispose(): Promise<void>;
}

/**
 * Opens a checkpoint in the hub's format. Throws what the runner throws, `checkpoint-missing-file`, `config-invalid` or a
 * tokenizer error; then nothing is left open.
 */
export async function openModel(directory: string, options: OpenModelOptions): Promise<LocalModel> {
  const texts = await readCheckpointTexts(directory);
  const tokenizer =
    options.tokenizer ?? (texts.tokenizerJson === undefined ? undefined : createTokenizer(texts.tokenizerJson));
  const template = templateOf(options.template, texts);
  const {
    runner: open,
    runnerOptions,
    template: _,
    tokenizer: __,
    encoder,
    modelId = nameOf(directory),
    ...engineOptions
  } = options;
  const runner = await open(directory, { ...pickable(tokenizer, texts), ...runnerOptions });
  try {
    const engine = createEngine({ ...engineOptions, runner });
    return new OpenedModel({ directory, runner, engine, tokenizer, template, encoder, modelId, texts });
  } catch (error) {
    await runner.dispose();
    throw error;
  }
}

/** Rows of the embedding that stand for no token are never picked. */
function pickable(tokenizer: Tokenizer | undefined, { vocabSize }: CheckpointTexts): RunnerOptions {
  if (tokenizer === undefined || vocabSize === undefined) return {};
  return { pickableIds: Math.min(tokenizer.vocabSize, vocabSize) };
}

function templateOf(wish: OpenModelOptions['template'], { modelType }: CheckpointTexts): ChatTemplate {
  if (typeof wish === 'object' && 'render' in wish) return wish;
  return createChatTemplate(wish ?? (modelType === 'mimo_v2' ? 'mimo-v2.5' : 'mimo-v2-flash'));
}

function nameOf(directory: string): string {
  const parts = directory.split(/[/\\]/).filter((part) => part !== '' && part !== '.');
  return parts.at(-1) ?? directory;
}

interface OpenedParts {
  directory: string;
  runner: ModelRunner & Inspector;
  engine: Engine;
  tokenizer: Tokenizer | undefined;
  template: ChatTemplate;
  encoder: PromptEncoder | undefined;
  modelId: string;
  texts: CheckpointTexts;
}

class OpenedModel implements LocalModel {
  readonly modelId: string;
  readonly info: ModelInfo;
  readonly hasTokenizer: boolean;
  readonly #directory: string;
  readonly #runner: ModelRunner & Inspector;
  readonly #engine: Engine;
  readonly #tokenizer: Tokenizer | undefined;
  readonly #chat: LocalChat | undefined;
  readonly #stopIds: readonly number[];

  constructor({ directory, runner, engine, tokenizer, template, encoder, modelId, texts }: OpenedParts) {
    this.modelId = modelId;
    this.info = runner.info;
    this.hasTokenizer = tokenizer !== undefined;
    this.#directory = directory;
    this.#runner = runner;
    this.#engine = engine;
    this.#tokenizer = tokenizer;
    const stopIds = new Set([...runner.info.eosTokenIds, ...texts.eosTokenIds]);
    if (tokenizer !== undefined) {
      const parts: ChatParts = { engine, tokenizer, template, encoder, modelId };
      for (const id of chatStopIds(parts)) stopIds.add(id);
      this.#chat = createChat({ ...parts, stopIds: [...stopIds] });
    }
    this.#stopIds = [...stopIds];
  }

  chat(request: ChatRequest): ChatStream {
    return this.#text(this.#chat).chat(request);
  }

  render(request: ChatRequest): { text: string; ids: Int32Array } {
    return this.#text(this.#chat).render(request);
  }

  /** Special tokens named in the text become their ids. */
  tokenize(text: string): Int32Array {
    return this.#text(this.#tokenizer).encode(text);
  }

  detokenize(ids: ArrayLike<number>): string {
    return this.#text(this.#tokenizer).decode(ids);
  }

  generate(request: GenerateRequest): AsyncIterable<GenerateEvent> {
    return this.#engine.generate({ stopIds: this.#stopIds, ...request });
  }

  inspect(ids: Int32Array, taps: readonly string[]): Promise<Record<string, Tensor>> {
    return this.#runner.inspect(ids, taps);
  }

  stats(): EngineStats {
    return this.#engine.stats();
  }

  explainCache(ids: ArrayLike<number>, namespace?: string): CacheReport {
    return this.#engine.explainCache(ids, namespace);
  }

  async dispose(): Promise<void> {
    await this.#engine.dispose();
    await this.#runner.dispose();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  #text<T>(part: T | undefined): T {
    if (part !== undefined) return part;
    throw new MimoError(
      'checkpoint-missing-file',
      `${this.#directory} has no tokenizer.json: this model takes ids only.`,
      {
        hint: 'Call generate({ ids }), or pass a tokenizer to openModel.',
        file: 'tokenizer.json',
      },
    );
  }
}
