// Reasoning that clients drop, put back by tool-call id. Bounded in bytes and keyed by tenant. Conversations that the server
// keeps as a whole are answer-store.ts.
import { type AssistantMessage, type Message, MimoError, readJson, type ToolCall, writeJson } from '@mimokit/protocol';
import { LRUCache } from 'lru-cache';

/** `restore`: put back what is missing. `strict`: refuse it, as the MiMo platform does. `off`: take requests as they are. */
export type RecallMode = 'off' | 'restore' | 'strict';

export interface RecallOptions {
  mode: RecallMode;
  /** Bytes of one tenant. */
  bytes: number;
}

export interface Repaired {
  messages: Message[];
  /** Assistant messages that got their reasoning back. */
  restored: number;
}

export class ReasoningRecall {
  readonly #options: RecallOptions;
  readonly #tenants = new Map<string, LRUCache<string, AssistantMessage>>();

  constructor(options: RecallOptions) {
    this.#options = options;
  }

  /** Keeps an answer that has calls; every call's id finds it. */
  remember(tenant: string, message: AssistantMessage): void {
    if (this.#options.mode === 'off' || message.toolCalls === undefined) return;
    const store = this.#storeOf(tenant);
    for (const { id } of message.toolCalls) store.set(id, message);
  }

  /**
   * The messages with reasoning where a past turn with calls lost it, and with the calls' own bytes where they say the same.
   * `strict` throws `reasoning-missing` instead when `thinks`.
   */
  repair(tenant: string, messages: readonly Message[], thinks: boolean): Repaired {
    const { mode } = this.#options;
    let restored = 0;
    const repaired = messages.map((message, index): Message => {
      if (message.role !== 'assistant' || message.toolCalls === undefined || mode === 'off') return message;
      if (mode === 'strict') {
        if (message.reasoning === undefined && thinks) throw missing(index);
        return message;
      }
      const known = this.#find(tenant, message.toolCalls);
      if (known === undefined) return message;
      const toolCalls = message.toolCalls.map((call) => withSource(call, known));
      if (known.reasoning === undefined || !isLost(message.reasoning, known.reasoning))
        return { ...message, toolCalls };
      restored++;
      return { ...message, toolCalls, reasoning: known.reasoning };
    });
    return { messages: repaired, restored };
  }

  #find(tenant: string, calls: readonly ToolCall[]): AssistantMessage | undefined {
    const store = this.#storeOf(tenant);
    for (const { id } of calls) {
      const known = store.get(id);
      if (known !== undefined) return known;
    }
    return undefined;
  }

  #storeOf(tenant: string): LRUCache<string, AssistantMessage> {
    let store = this.#tenants.get(tenant);
    if (store === undefined) {
      store = new LRUCache<string, AssistantMessage>({ maxSize: this.#options.bytes, sizeCalculation: bytesOf });
      this.#tenants.set(tenant, store);
    }
    return store;
  }
}

/** openai-node keeps only the last streamed fragment of a field it does not know: an end of the reasoning is a lost one too. */
function isLost(given: string | undefined, known: string): boolean {
  return given === undefined || (given !== known && known.endsWith(given));
}

/** UTF-16 bytes of the strings, and something for the objects around them. */
export function bytesOf(message: Message): number {
  let chars = 256;
  if (typeof message.content === 'string') chars += message.content.length;
  else for (const part of message.content) chars += 64 + (typeof part.text === 'string' ? part.text.length : 4096);
  if (message.role === 'assistant') {
    chars += message.reasoning?.length ?? 0;
    for (const call of message.toolCalls ?? []) chars += 128 + call.arguments.length + (call.source?.length ?? 0);
  }
  return chars * 2;
}

/** The call with the bytes the model wrote, when it is still that call: then the prompt is the one that was generated from. */
function withSource(call: ToolCall, { toolCalls = [] }: AssistantMessage): ToolCall {
  const known = toolCalls.find(({ id }) => id === call.id);
  if (known?.source === undefined || known.name !== call.name) return call;
  return isSameJson(known.arguments, call.arguments) ? { ...call, source: known.source } : call;
}

function isSameJson(a: string, b: string): boolean {
  if (a === b) return true;
  try {
    return writeJson(readJson(a)) === writeJson(readJson(b));
  } catch {
    return false;
  }
}

function missing(index: number): MimoError {
  return new MimoError('reasoning-missing', `messages[${index}] has tool calls and no reasoning_content.`, {
    hint: 'Send every assistant message back with the reasoning_content it came with.',
    field: `messages[${index}].reasoning_content`,
  });
}
