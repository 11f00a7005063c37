// Stop strings in streamed text: cut exactly, with as little held back as possible. Linear in the text: one automaton a string
// (Knuth, Morris, Pratt 1977). Stop ids are stop.ts.
import { MimoError } from '@mimokit/protocol';

const mostStrings = 64;
const longestString = 4096;

/** One stop string and how much of it the text seen so far ends with. */
interface Automaton {
  text: string;
  /** For each length: the longest proper prefix that is also its suffix. */
  fallback: Int32Array;
  matched: number;
}

export class StopText {
  readonly #automata: Automaton[];
  /** The end of the text so far, where a stop string may have begun. */
  #held = '';
  #match: string | undefined;

  /** Throws `invalid-argument` for an empty or oversized string, or too many. */
  constructor(stop: readonly string[]) {
    if (stop.length > mostStrings) {
      throw new MimoError('invalid-argument', `stop has ${stop.length} texts; at most ${mostStrings} are taken.`);
    }
    this.#automata = stop.map((text, index) => {
      if (typeof text !== 'string' || text === '' || text.length > longestString) {
        throw new MimoError('invalid-argument', `stop[${index}] must be a text of 1 to ${longestString} characters.`, {
          hint: 'Leave stop out to stop at the end of the answer only.',
        });
      }
      return { text, fallback: fallbackOf(text), matched: 0 };
    });
  }

  get isStopped(): boolean {
    return this.#match !== undefined;
  }

  /** The stop string that was found; the longest, when several end at the same place. */
  get match(): string | undefined {
    return this.#match;
  }

  /** The text that certainly belongs to the answer; after a match everything else is dropped. */
  push(text: string): string {
    if (this.isStopped) return '';
    if (this.#automata.length === 0) return text;
    const all = this.#held + text;
    for (let index = this.#held.length; index < all.length; index++) {
      let longest = '';
      for (const automaton of this.#automata) {
        if (advance(automaton, all.charCodeAt(index)) && automaton.text.length > longest.length)
          longest = automaton.text;
      }
      if (longest === '') continue;
      this.#match = longest;
      this.#held = '';
      return all.slice(0, index + 1 - longest.length);
    }
    const begun = Math.max(...this.#automata.map(({ matched }) => matched));
    this.#held = all.slice(all.length - begun);
    return all.slice(0, all.length - begun);
  }

  /** What was held back, when it turns out that nothing follows: it was no stop string. */
  flush(): string {
    const held = this.#held;
    this.#held = '';
    for (const automaton of this.#automata) automaton.matched = 0;
    return held;
  }
}

function advance(automaton: Automaton, code: number): boolean {
  const { text, fallback } = automaton;
  let { matched } = automaton;
  while (matched > 0 && text.charCodeAt(matched) !== code) matched = fallback[matched];
  if (text.charCodeAt(matched) === code) matched++;
  automaton.matched = matched;
  return matched === text.length;
}

function fallbackOf(text: string): Int32Array {
  const fallback = new Int32Array(text.length + 1);
  let matched = 0;
  for (let length = 2; length <= text.length; length++) {
    const code = text.charCodeAt(length - 1);
    while (matched > 0 && text.charCodeAt(matched) !== code) matched = fallback[matched];
    if (text.charCodeAt(matched) === code) matched++;
    fallback[length] = matched;
  }
  return fallback;
}
