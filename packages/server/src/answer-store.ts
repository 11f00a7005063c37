// Conversations that the server keeps so that a client may send only what is new: Anthropic's threads, OpenAI's previous
// response. Bounded in bytes and keyed by tenant; what was evicted is not found, and clients send everything again.
import type { Message, Tool } from '@mimokit/protocol';
import { LRUCache } from 'lru-cache';
import { bytesOf } from './reasoning-recall.ts';

/** A conversation up to and with an answer. */
export interface Kept {
  messages: readonly Message[];
  tools: readonly Tool[];
  /** The answer as it was sent, where it may be asked for again. */
  response?: Record<string, unknown>;
}

export class AnswerStore {
  readonly #bytes: number;
  readonly #tenants = new Map<string, LRUCache<string, Kept>>();

  /** `bytes` is for one tenant. */
  constructor(bytes: number) {
    this.#bytes = bytes;
  }

  get(tenant: string, id: string): Kept | undefined {
    return this.#tenants.get(tenant)?.get(id);
  }

  keep(tenant: string, id: string, kept: Kept): void {
    let store = this.#tenants.get(tenant);
    if (store === undefined) {
      store = new LRUCache<string, Kept>({ maxSize: this.#bytes, sizeCalculation: sizeOf });
      this.#tenants.set(tenant, store);
    }
    store.set(id, kept);
  }

  /** False when there was none. */
  drop(tenant: string, id: string): boolean {
    return this.#tenants.get(tenant)?.delete(id) ?? false;
  }
}

/** Turns of one conversation share their strings, so this counts more than there is. */
function sizeOf({ messages, tools, response }: Kept): number {
  const last = response === undefined ? 0 : 4096;
  return messages.reduce((total, message) => total + bytesOf(message), last) + tools.length * 4096;
}
