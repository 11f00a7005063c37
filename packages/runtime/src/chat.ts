// ChatModel over an Engine: render, encode, generate, decode, parse. Knows no tensors and no steps.
import type { ChatTemplate, RenderedPrompt } from '@mimokit/chat-template';
import {
  type ChatModel,
  type ChatRequest,
  type ChatStream,
  type GenerateRequest,
  type StreamEvent,
  type Tool,
} from '@mimokit/protocol';
import type { Tokenizer } from '@mimokit/tokenizer';
import { AnswerReader, type ThinkIds } from './answer.ts';
import { createChatStream } from './chat-stream.ts';
import type { Engine } from './engine.ts';
import { endlessBias, forcedNames, openCall } from './forced-call.ts';
import { StopText } from './stop-text.ts';
import { TurnMemory } from './turn-memory.ts';

export interface ChatParts {
  engine: Engine;
  tokenizer: Tokenizer;
  template: ChatTemplate;
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

interface Prompt extends RenderedPrompt {
  ids: Int32Array;
  tools: readonly Tool[];
  /** The tools of which one must be called. */
  forced: string[] | undefined;
}

class EngineChat implements LocalChat {
  readonly modelId: string;
  readonly #engine: Engine;
  readonly #tokenizer: Tokenizer;
  readonly #template: ChatTemplate;
  readonly #stopIds: ReadonlySet<number>;
  readonly #thinkIds: ThinkIds;
  readonly #memory = new TurnMemory();

  constructor(parts: ChatParts) {
    this.modelId = parts.modelId ?? 'local';
    this.#engine = parts.engine;
    this.#tokenizer = parts.tokenizer;
    this.#template = parts.template;
    this.#stopIds = new Set(parts.stopIds ?? chatStopIds(parts));
    const { specialTokens } = parts.tokenizer;
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
    const { text, ids } = this.#prompt(request);
    return { text, ids };
  }

  async *#run(request: ChatRequest, leaving: AbortController): AsyncGenerator<StreamEvent, void> {
    const { stop = [], signal } = request;
    // Checked before anything runs.
    void new StopText(stop);
    const prompt = this.#prompt(request);
    const { output, tools } = prompt;
    const answer = new AnswerReader({
      decode: this.#tokenizer.decodeStream(),
      parser: this.#template.parser({ output, tools }),
      stop,
      stopIds: this.#stopIds,
      thinkIds: this.#thinkIds,
    });
    const abort = (): void => leaving.abort();
    signal?.addEventListener('abort', abort, { once: true });
    if (signal?.aborted === true) abort();
    const ids: number[] = [];
    try {
      if (prompt.forced !== undefined) {
        yield* this.#runForced(request, prompt, answer, leaving);
        return;
      }
      for await (const event of this.#engine.generate(this.#generateRequest(request, prompt, leaving.signal))) {
        if (event.type === 'tokens') {
          for (const id of event.ids) ids.push(id);
          yield* answer.push(event.ids);
          // The engine's own finish still comes, with its counts.
          if (answer.isStopped) leaving.abort();
          continue;
        }
        if (event.reason === 'stop') this.#remember(prompt, answer.text, ids);
        yield* answer.end(event.reason, event.usage);
      }
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }

  /** An answer that is one call: its opening is given, it does not end before the call does, and it ends with it. */
  async *#runForced(
    request: ChatRequest,
    prompt: Prompt,
    answer: AnswerReader,
    leaving: AbortController,
  ): AsyncGenerator<StreamEvent, void> {
    const { ids: promptIds, forced: names = [] } = prompt;
    const { ids: _, maxTokens, ...base } = this.#generateRequest(request, prompt, leaving.signal);
    const parts = { engine: this.#engine, tokenizer: this.#tokenizer, names, prompt: promptIds, request: base };
    const opening = await openCall(parts);
    yield* answer.push(opening);
    const generate: GenerateRequest = {
      ...base,
      ids: [...promptIds, ...opening],
      bias: endlessBias(this.#stopIds),
      ...(maxTokens !== undefined && { maxTokens: Math.max(1, maxTokens - opening.length) }),
    };
    let isCalled = false;
    for await (const event of this.#engine.generate(generate)) {
      if (event.type === 'finish') {
        const { promptTokens, cachedTokens } = event.usage;
        const usage = {
          ...event.usage,
          promptTokens: promptTokens - opening.length,
          cachedTokens: Math.min(cachedTokens, promptIds.length),
        };
        yield* answer.end(isCalled ? 'stop' : event.reason, usage);
        continue;
      }
      for (const id of event.ids) {
        if (isCalled) break;
        const events = answer.push([id]);
        isCalled = events.some(({ type }) => type === 'tool-call');
        yield* events;
      }
      if (isCalled) leaving.abort();
    }
  }

  #prompt(request: ChatRequest): Prompt {
    const { messages, toolChoice, keepAllReasoning } = request;
    // Tools the model does not see cannot be called.
    const tools = toolChoice === 'none' ? [] : (request.tools ?? []);
    const forced = forcedNames(toolChoice, tools);
    // A call that was asked for is made at once, without thinking first.
    const thinking = forced === undefined ? request.thinking : false;
    const rendered = this.#template.render({ messages, tools, thinking, keepAllReasoning });
    return { ...rendered, tools, forced, ids: this.#encode(rendered) };
  }

  /** The ids of a prompt: those of a remembered turn as far as it goes, then the tokenizer's. */
  #encode({ text, literal }: RenderedPrompt): Int32Array {
    const known = this.#memory.recall(text);
    if (known === undefined) return this.#tokenizer.encode(text, { literal });
    const spans = literal
      .filter(({ end }) => end > known.length)
      .map(({ start, end }) => ({ start: Math.max(0, start - known.length), end: end - known.length }));
    const rest = this.#tokenizer.encode(text.slice(known.length), { literal: spans });
    const ids = new Int32Array(known.ids.length + rest.length);
    ids.set(known.ids);
    ids.set(rest, known.ids.length);
    return ids;
  }

  /** An answer that ended by itself: when it comes back in the next prompt, its ids are known. */
  #remember(prompt: Prompt, text: string, ids: readonly number[]): void {
    const stopText = this.#tokenizer.decode(ids.slice(-1));
    if (!this.#tokenizer.specialTokens.has(stopText)) return;
    this.#memory.remember(prompt.text + text + stopText, Int32Array.from([...prompt.ids, ...ids]));
  }

  #generateRequest(request: ChatRequest, { ids }: Prompt, signal: AbortSignal): GenerateRequest {
    const { maxTokens, sampling, seed, mtp, namespace } = request;
    return {
      ids,
      stopIds: [...this.#stopIds],
      signal,
      ...(maxTokens !== undefined && { maxTokens }),
      ...(sampling !== undefined && { sampling }),
      ...(seed !== undefined && { seed }),
      ...(mtp !== undefined && { mtp }),
      ...(namespace !== undefined && { namespace }),
    };
  }
}
