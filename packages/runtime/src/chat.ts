// ChatModel over an Engine: render, encode, generate, decode, parse. Knows no tensors and no steps.
import type { ChatTemplate, RenderedPrompt } from '@mimokit/chat-template';
import {
  type ChatModel,
  type ChatRequest,
  type ChatStream,
  MimoError,
  type StreamEvent,
  type TextLogprob,
  type TokenLogprob,
  type Tool,
} from '@mimokit/protocol';
import type { EncodeOptions, Tokenizer } from '@mimokit/tokenizer';
import { AnswerReader, type ThinkIds } from './answer.ts';
import { createChatStream } from './chat-stream.ts';
import type { Engine } from './engine.ts';
import { chatGuide } from './chat-guide.ts';
import { forcedCall } from './forced-call.ts';
import type { Guide, GuidedRequest } from './guide.ts';
import type { IdText } from './guide-text.ts';
import { StopText } from './stop-text.ts';
import { TurnMemory } from './turn-memory.ts';

/** What encodes long prompts elsewhere: a pool of @mimokit/tokenizer/pool over the tokenizer's vocabulary. */
export interface PromptEncoder {
  encode(text: string, options: Required<Pick<EncodeOptions, 'literal'>>): Promise<Int32Array>;
}

export interface ChatParts {
  engine: Engine;
  tokenizer: Tokenizer;
  template: ChatTemplate;
  /** For prompts that would hold this thread up; default: it encodes them itself. */
  encoder?: PromptEncoder | undefined;
  /** Default `local`. */
  modelId?: string;
  /** Ids that end an answer; default: the template's stop tokens and the model's end-of-sequence ids. */
  stopIds?: readonly number[];
}

/** A chat model in this process, and its prompts. */
export interface LocalChat extends ChatModel {
  /** The prompt of a request, as text and as the ids that `chat` would run. */
  render(request: ChatRequest): { text: string; ids: Int32Array };
}

/** Messages in, events out, over an engine. */
export function createChat(parts: ChatParts): LocalChat {
  return new EngineChat(parts);
}

/** Ids that end an answer by the template and by the model. */
export function chatStopIds({ engine, tokenizer, template }: ChatParts): number[] {
  const ids = new Set(engine.info.eosTokenIds);
  for (const name of template.stopTokens) {
    const id = tokenizer.specialTokens.get(name);
    if (id !== undefined) ids.add(id);
  }
  return [...ids];
}

/** UTF-16 units from which a prompt is given to the encoder; fewer take this thread about a millisecond. */
const longText = 1 << 16;

interface Rendered extends RenderedPrompt {
  tools: readonly Tool[];
  guide: Guide | undefined;
}

interface Prompt extends Rendered {
  ids: Int32Array;
}

class EngineChat implements LocalChat {
  readonly modelId: string;
  readonly #engine: Engine;
  readonly #tokenizer: Tokenizer;
  readonly #template: ChatTemplate;
  readonly #encoder: PromptEncoder | undefined;
  readonly #stopIds: ReadonlySet<number>;
  readonly #thinkIds: ThinkIds;
  readonly #idText: IdText;
  readonly #memory = new TurnMemory();

  constructor(parts: ChatParts) {
    this.modelId = parts.modelId ?? 'local';
    this.#engine = parts.engine;
    this.#tokenizer = parts.tokenizer;
    this.#template = parts.template;
    this.#encoder = parts.encoder;
    this.#stopIds = new Set(parts.stopIds ?? chatStopIds(parts));
    const { tokenizer } = parts;
    const { specialTokens } = tokenizer;
    this.#idText = {
      encode: (text, literal) =>
        Array.from(tokenizer.encode(text, { literal: literal === undefined ? [] : [literal] })),
      decode: (id) => tokenizer.decode([id]),
    };
    this.#thinkIds = { open: specialTokens.get('<think>'), close: specialTokens.get('</think>') };
  }

  chat(request: ChatRequest): ChatStream {
    const leaving = new AbortController();
    return createChatStream(
      () => this.#run(request, leaving),
      () => leaving.abort(),
    );
  }

  render(request: ChatRequest): { text: string; ids: Int32Array } {
    const rendered = this.#rendered(request);
    const { known, text, literal } = this.#unread(rendered);
    return { text: rendered.text, ids: joined(known, this.#tokenizer.encode(text, { literal })) };
  }

  async *#run(request: ChatRequest, leaving: AbortController): AsyncGenerator<StreamEvent, void> {
    const { stop = [], signal } = request;
    // Checked before anything runs.
    void new StopText(stop);
    const prompt = await this.#prompt(request);
    const { output, tools } = prompt;
    const answer = new AnswerReader({
      decode: this.#tokenizer.decodeStream(),
      parser: this.#template.parser({ output, tools }),
      stop,
      stopIds: this.#stopIds,
      thinkIds: this.#thinkIds,
      startsThinking: output === 'reasoning',
    });
    const abort = (): void => leaving.abort();
    signal?.addEventListener('abort', abort, { once: true });
    if (signal?.aborted === true) abort();
    const ids: number[] = [];
    try {
      for await (const event of this.#engine.generate(this.#generateRequest(request, prompt, leaving.signal))) {
        if (event.type === 'tokens') {
          for (const id of event.ids) ids.push(id);
          yield* answer.push(
            event.ids,
            event.logprobs?.map((one) => this.#withText(one)),
          );
          // The engine's own finish still comes, with its counts.
          if (answer.isStopped) leaving.abort();
          continue;
        }
        if (event.type === 'prompt-progress') {
          yield event;
          continue;
        }
        if (event.reason === 'stop') this.#remember(prompt, answer.text, ids);
        yield* answer.end(event.reason, event.usage);
      }
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }

  #rendered(request: ChatRequest): Rendered {
    const { messages, toolChoice, thinking, thinkingBudget, keepAllReasoning } = request;
    if (thinkingBudget !== undefined && (!Number.isSafeInteger(thinkingBudget) || thinkingBudget < 0)) {
      throw new MimoError('invalid-argument', `thinkingBudget is ${thinkingBudget}; it must be a count of tokens.`, {
        hint: 'Leave it out for reasoning of any length; thinking: false turns reasoning off.',
        field: 'thinkingBudget',
      });
    }
    // Tools the model does not see cannot be called.
    const tools = toolChoice === 'none' ? [] : (request.tools ?? []);
    const rendered = this.#template.render({ messages, tools, thinking, keepAllReasoning });
    const [firstStop] = this.#stopIds;
    const call = forcedCall(toolChoice, tools, {
      template: this.#template,
      text: this.#idText,
      stopIds: [...this.#stopIds],
      endId: this.#template.stopTokens.map((token) => this.#tokenizer.specialTokens.get(token))[0] ?? firstStop,
    });
    const guide = chatGuide({ output: rendered.output, thinkingBudget, call, text: this.#idText });
    return { ...rendered, tools, guide };
  }

  async #prompt(request: ChatRequest): Promise<Prompt> {
    const rendered = this.#rendered(request);
    const { known, text, literal } = this.#unread(rendered);
    // Not awaited where it need not be: a short prompt reaches the engine in the turn it came in.
    const encoded =
      this.#encoder === undefined || text.length < longText
        ? this.#tokenizer.encode(text, { literal })
        : await this.#encoder.encode(text, { literal });
    return { ...rendered, ids: joined(known, encoded) };
  }

  /** The ids of a remembered turn as far as the prompt repeats it, and the rest, which has to be encoded. */
  #unread({
    text,
    literal,
  }: RenderedPrompt): { known: Int32Array | undefined } & Pick<RenderedPrompt, 'text' | 'literal'> {
    const known = this.#memory.recall(text);
    if (known === undefined) return { known, text, literal };
    const spans = literal
      .filter(({ end }) => end > known.length)
      .map((span) => ({ ...span, start: Math.max(0, span.start - known.length), end: span.end - known.length }));
    return { known: known.ids, text: text.slice(known.length), literal: spans };
  }

  /** An answer that ended by itself: when it comes back in the next prompt, its ids are known. */
  #remember(prompt: Prompt, text: string, ids: readonly number[]): void {
    const stopText = this.#tokenizer.decode(ids.slice(-1));
    if (!this.#tokenizer.specialTokens.has(stopText)) return;
    this.#memory.remember(prompt.text + text + stopText, Int32Array.from([...prompt.ids, ...ids]));
  }

  #withText({ id, logprob, rivals }: TokenLogprob): TextLogprob {
    const text = (one: number): string => this.#tokenizer.decode([one]);
    return { id, text: text(id), logprob, rivals: rivals.map((rival) => ({ ...rival, text: text(rival.id) })) };
  }

  #generateRequest(request: ChatRequest, { ids, guide }: Prompt, signal: AbortSignal): GuidedRequest {
    const { maxTokens, sampling, seed, mtp, namespace, bias, topLogprobs, wantProgress } = request;
    return {
      ids,
      stopIds: [...this.#stopIds],
      signal,
      guide,
      ...(maxTokens !== undefined && { maxTokens }),
      ...(sampling !== undefined && { sampling }),
      ...(seed !== undefined && { seed }),
      ...(mtp !== undefined && { mtp }),
      ...(namespace !== undefined && { namespace }),
      ...(bias !== undefined && { bias }),
      ...(topLogprobs !== undefined && { topLogprobs }),
      ...(wantProgress !== undefined && { wantProgress }),
    };
  }
}

function joined(known: Int32Array | undefined, rest: Int32Array): Int32Array {
  if (known === undefined) return rest;
  const ids = new Int32Array(known.length + rest.length);
  ids.set(known);
  ids.set(rest, known.length);
  return ids;
}
