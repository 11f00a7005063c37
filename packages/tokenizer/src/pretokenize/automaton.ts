// The split of Qwen2, Qwen3, MiMo (one digit a piece) and of Llama-3 (up to three) as an automaton that looks at every
// byte once and has no branch that depends on the text:
//   (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,n}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
// Its input are classes of characters, which already know whether white space or an apostrophe is followed by something
// that matters; its output is where pieces begin.
import { charBytes, charClass, codePointAt, codePointValue, isSpace, low } from '../char-class.ts';
import { contractionEnd } from './contractions.ts';
import { blockBytes, pieceStarts, type Splitter } from './pieces.ts';

// Classes. `space` and `tab` are white space (U+0020, any other) before something else, `blank` is white space before white
// space or the end, `line` is a line end. `clitic` is an apostrophe before s, t, m or d. `inner` is the rest of a character.
const inner = 0;
const letter = 1;
const number = 2;
const other = 3;
const line = 4;
const blank = 5;
const space = 6;
const tab = 7;
const clitic = 8;
/** From here on the table does not know: the whole character must be looked at. */
const unclear = 9;

// States: what the current piece is so far.
const done = 0;
const letters = 1;
/** One other character, which letters may follow. */
const prefix = 2;
const others = 3;
/** Others, then line ends. */
const othersLine = 4;
const afterSpace = 5;
const afterTab = 6;
const blanks = 7;
const lines = 8;
/** White space behind line ends: not a piece of its own when another line end follows. */
const linesBlanks = 9;
const cliticOpen = 10;
const numbers1 = 11;
const numbers2 = 12;

const stateShift = 4;
/** States of Llama-3's rule are beyond those of Qwen2's. */
const threeDigits = 16 << stateShift;
/** By state and class: the next state, and by how much the number of pieces changes. */
const next = new Uint16Array(2 * threeDigits);
const change = new Int8Array(2 * threeDigits);
/** The same for two bytes: the next state << 4, and by how much each changes the number of pieces, plus one; 0 = unclear. */
const nextTwo = new Uint16Array(32 * threeDigits);
fill(0);
fill(threeDigits);

function fill(rule: number): void {
  for (let state = 0; state < 16; state++) {
    const on = (input: number, to: number, by: number): void => {
      next[rule | (state << stateShift) | input] = rule | (to << stateShift);
      change[rule | (state << stateShift) | input] = by;
    };
    const after = (...states: number[]): boolean => states.includes(state);
    on(inner, state, 0);
    on(letter, letters, after(letters, prefix, afterSpace, afterTab) ? 0 : 1);
    if (rule === 0) on(number, done, 1);
    else if (after(numbers1)) on(number, numbers2, 0);
    else if (after(numbers2)) on(number, done, 0);
    else on(number, numbers1, 1);
    const joins = after(prefix, others, afterSpace);
    on(other, joins ? others : prefix, joins ? 0 : 1);
    on(clitic, joins ? others : cliticOpen, joins ? 0 : 1);
    if (after(prefix, others, othersLine)) on(line, othersLine, 0);
    else on(line, lines, after(linesBlanks) ? -1 : after(blanks, lines) ? 0 : 1);
    on(blank, after(lines, linesBlanks) ? linesBlanks : blanks, after(blanks, linesBlanks) ? 0 : 1);
    on(space, afterSpace, 1);
    on(tab, afterTab, 1);
    if (after(cliticOpen)) on(letter, done, 0);
  }
  for (let pair = 0; pair < 16 * threeDigits; pair++) {
    const first = rule | (pair >> 4);
    const second = next[first] | (pair & 15);
    if ((first & 15) < unclear && (second & 15) < unclear)
      nextTwo[(rule << 4) | pair] = (next[second] << 4) | ((change[second] + 1) << 2) | (change[first] + 1);
  }
}

/** The class of a character by its first byte and the byte behind that; filled when the first automaton is made. */
const pairClass = new Uint8Array(1 << 16);
let isFilled = false;

function classOfPair(first: number, second: number): number {
  if (first === 0x27) {
    const small = String.fromCharCode(second | 0x20);
    // 'ſ ends in a long s, of two bytes.
    return 'stmd'.includes(small) ? clitic : 'rvl'.includes(small) || second === 0xc5 ? unclear : other;
  }
  if (first < 0x80) {
    if (low[first] !== charClass.space) return inputOf(low[first]);
    // White space of two or three bytes begins with these.
    if (second === 0xc2 || (second > 0xe0 && second < 0xe4)) return unclear;
    return second < 0x80 && isSpace(low[second]) ? blank : first === 0x20 ? space : tab;
  }
  if (first < 0xc0) return inner;
  if (first < 0xe0) return inputOf(low[((first & 31) << 6) | (second & 63)]);
  if (first >= 0xf0) return unclear;
  // What 64 characters have in common.
  const block = ((first & 15) << 12) | ((second & 63) << 6);
  const input = inputOf(low[block]);
  for (let i = 1; i < 64; i++) if (low[block + i] !== low[block] && inputOf(low[block + i]) !== input) return unclear;
  return input;
}

/** `unclear` for white space and for what NFC may change. */
function inputOf(code: number): number {
  switch (code) {
    case charClass.upper:
    case charClass.lower:
    case charClass.letter:
      return letter;
    case charClass.number:
      return number;
    case charClass.newline:
      return line;
    case charClass.other:
    case charClass.mark:
    case charClass.symbol:
      return other;
    default:
      return unclear;
  }
}

const starts = pieceStarts;
/** State and number of pieces, from one part of a text to the next. */
const kept = new Int32Array(2);

/** Reads up to `end` or to the first character that must be looked at; returns where it is. */
function advance(bytes: Uint8Array, from: number, end: number): number {
  let state = kept[0];
  let count = kept[1];
  let byte = bytes[from];
  let at = from;
  // Two bytes at a time: the next state waits for one look into a table instead of two.
  for (const last = end - 1; at < last; at = (at + 2) | 0) {
    const after = bytes[(at + 1) | 0];
    const behind = bytes[(at + 2) | 0];
    const step = nextTwo[(state << 4) | (pairClass[(byte << 8) | after] << 4) | pairClass[(after << 8) | behind]];
    if (step === 0) break;
    starts[count] = at;
    count = (count + (step & 3) - 1) | 0;
    starts[count] = at + 1;
    count = (count + ((step >> 2) & 3) - 1) | 0;
    state = step >> 4;
    byte = behind;
  }
  for (; at < end; at = (at + 1) | 0) {
    const after = bytes[(at + 1) | 0];
    const input = pairClass[(byte << 8) | after];
    if (input === unclear) break;
    const step = state | input;
    starts[count] = at;
    count = (count + change[step]) | 0;
    state = next[step];
    byte = after;
  }
  kept[0] = state;
  kept[1] = count;
  return at;
}

export class Automaton implements Splitter {
  flags = 0;
  readonly #rule: number;
  #at = 0;
  #state = 0;
  #given = 0;
  #held = 0;

  /** Pieces of one number, or of up to three. */
  constructor(digits: 1 | 3) {
    this.#rule = digits === 1 ? 0 : threeDigits;
    if (!isFilled) pairClass.forEach((_, pair) => (pairClass[pair] = classOfPair(pair >> 8, pair & 0xff)));
    isFilled = true;
  }

  begin(): void {
    this.flags = 0;
    this.#at = 0;
    this.#state = this.#rule;
    this.#held = 0;
  }

  next(bytes: Uint8Array, _view: DataView, length: number): number {
    for (let i = 0; i < this.#held; i++) starts[i] = starts[this.#given + i];
    kept[0] = this.#state;
    kept[1] = this.#held;
    let at = this.#at;
    while (at < length) {
      const end = Math.min(length, at + blockBytes);
      while ((at = advance(bytes, at, end)) < end) at = this.#look(bytes, at);
      // The last piece goes on, and the start of the one before may yet be taken back.
      if (kept[1] > 2) break;
    }
    this.#at = at;
    this.#state = kept[0];
    this.#held = at < length ? 2 : 0;
    this.#given = kept[1] - this.#held;
    starts[kept[1]] = length;
    return this.#given;
  }

  /** Takes the step at a character that the table is unsure of; returns where the next one begins, or its second byte. */
  #look(bytes: Uint8Array, at: number): number {
    const byte = bytes[at];
    const value = codePointValue(codePointAt(bytes, at));
    let input = inputOf(value & 15);
    this.flags |= value;
    if (byte === 0x27) {
      input = other;
      const state = (kept[0] >> stateShift) & 15;
      if (
        state !== prefix &&
        state !== others &&
        state !== afterSpace &&
        contractionEnd(bytes, at, at + 4, true) > at
      ) {
        starts[kept[1]++] = at;
        kept[0] = this.#rule | (done << stateShift);
        return at + 3;
      }
    } else if ((value & 15) === charClass.space) {
      const after = codePointValue(codePointAt(bytes, at + charBytes(byte)));
      input = isSpace(after) ? blank : byte === 0x20 ? space : tab;
    }
    const step = kept[0] | input;
    starts[kept[1]] = at;
    kept[1] += change[step];
    kept[0] = next[step];
    return at + 1;
  }
}
