// Which ids made a text: a conversation that comes back with the model's own turn in it is continued with the ids the model
// produced, which the tokenizer might write in another way, and so matches the prefix cache. Bounded; forgets the oldest.

interface Remembered {
  text: string;
  ids: Int32Array;
}

export class TurnMemory {
  readonly #entries = new Map<string, Remembered>();
  readonly #mostEntries: number;
  readonly #mostCharacters: number;
  #characters = 0;

  constructor(mostEntries = 64, mostCharacters: number = 1 << 23) {
    this.#mostEntries = mostEntries;
    this.#mostCharacters = mostCharacters;
  }

  /** The longest remembered text that this one begins with. */
  recall(text: string): { length: number; ids: Int32Array } | undefined {
    let best: Remembered | undefined;
    for (const entry of this.#entries.values()) {
      if (entry.text.length > (best?.text.length ?? 0) && text.startsWith(entry.text)) best = entry;
    }
    if (best === undefined) return undefined;
    this.#entries.delete(best.text);
    this.#entries.set(best.text, best);
    return { length: best.text.length, ids: best.ids };
  }

  /** Remembers a whole turn. `text` must end with a special token, so that what follows is tokenized on its own. */
  remember(text: string, ids: Int32Array): void {
    if (text.length > this.#mostCharacters) return;
    this.#forget(text);
    this.#entries.set(text, { text, ids });
    this.#characters += text.length;
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= this.#mostEntries && this.#characters <= this.#mostCharacters) break;
      this.#forget(oldest);
    }
  }

  #forget(text: string): void {
    if (this.#entries.delete(text)) this.#characters -= text.length;
  }
}
