// Model output → reasoning, text and typed tool calls. One state machine over text in any pieces: the same events for every
// split, linear in the text. Blocks are read by a grammar (tag-calls.ts, json-calls.ts), doubtful text is decided in settle.ts, values are typed in
// tool-arguments.ts. The caller adds the finish event: why an answer ended is not in its text.
import type { AssistantMessage, StreamEvent, Tool } from '@mimokit/protocol';
import type { CallContext, CallGrammar, LiveScan } from './call-grammar.ts';
import { FenceTracker } from './fence.ts';
import { MessageBuilder } from './message-builder.ts';
import { skipSpace } from './python-format.ts';
import { findRescue, type RescuePolicy } from './rescue.ts';
import { settle } from './settle.ts';
import { tagCalls } from './tag-calls.ts';
import { matchTag, no, open, perhaps, thinkClose, thinkOpen, yes } from './tag-scanner.ts';
import { compileTools, type ToolRules } from './tool-arguments.ts';

export interface ParserOptions {
  /**
   * How the prompt ended, from RenderedPrompt. `reasoning`: with an open `<think>`, so the output begins inside it. Otherwise
   * a leading `<think>` opens reasoning, whether the prompt asked for it or not. Default `auto`.
   */
  output?: 'auto' | 'content' | 'reasoning' | undefined;
  /** Only their calls are calls. */
  tools?: readonly Tool[] | undefined;
  /** How calls are written. Default: MiMo-V2's tags. */
  calls?: CallGrammar | undefined;
  /** What becomes of a call inside a `<think>` that is never closed. Default `move`. */
  rescue?: RescuePolicy | undefined;
  /**
   * What a `<think>` that never closes is. `reasoning`, the default, shows it while it grows; with `content` nothing of it is
   * shown before it closes, and if it never does, all of it is the answer.
   */
  unclosedThink?: 'reasoning' | 'content' | undefined;
  /** Names the calls; default: `call_` and 24 random hex digits. */
  nextId?: (() => string) | undefined;
}

export interface ParsedOutput {
  message: AssistantMessage;
  /** What had been held back; `parse` gives all events of the text here. */
  events: StreamEvent[];
  /** True when a `<think>` was never closed. */
  unclosedThink: boolean;
}

export interface OutputParser {
  /** Takes the next piece of the output, cut anywhere, and returns what is certain now. */
  push(text: string): StreamEvent[];
  /** The output is over (its stop token is no part of it). */
  end(): ParsedOutput;
}

/** Parses finished output. */
export function parse(text: string, options: ParserOptions = {}): ParsedOutput {
  const parser = createParser(options);
  const events = parser.push(text);
  const result = parser.end();
  return { ...result, events: [...events, ...result.events] };
}

/** A streaming parser for one answer. */
export function createParser(options: ParserOptions = {}): OutputParser {
  return new OutputMachine(options);
}

type State = 'lead' | 'think' | 'think-candidate' | 'think-held' | 'content' | 'fence-candidate' | 'call';

class OutputMachine implements OutputParser, CallContext {
  readonly builder: MessageBuilder = new MessageBuilder();
  readonly tools: ReadonlyMap<string, ToolRules>;
  readonly nextId: () => string;
  readonly #grammar: CallGrammar;
  readonly #rescue: RescuePolicy;
  readonly #thinkIsContent: boolean;
  #state: State = 'lead';
  #fence = new FenceTracker();
  #scan: LiveScan | undefined;
  /** Text that is not settled yet: a possible call inside reasoning or an open fence, white space before a first tag. */
  #held = '';
  #isHolding = false;
  /** The end of the last piece, when a tag may begin there. */
  #carry = '';
  /** A high surrogate at the end of the last piece: halves are never sent apart. */
  #half = '';

  constructor(options: ParserOptions) {
    this.tools = compileTools(options.tools ?? []);
    this.nextId = options.nextId ?? randomCallId;
    this.#grammar = options.calls ?? tagCalls;
    this.#rescue = options.rescue ?? 'move';
    this.#thinkIsContent = options.unclosedThink === 'content';
    if (options.output === 'reasoning') this.#openThink();
  }

  push(text: string): StreamEvent[] {
    if (text === '') return [];
    let piece = this.#half + text;
    this.#half = '';
    const last = piece.charCodeAt(piece.length - 1);
    if (last >= 0xd800 && last <= 0xdbff) {
      this.#half = piece.slice(-1);
      piece = piece.slice(0, -1);
    }
    this.#run(piece, false);
    return this.builder.takeEvents();
  }

  end(): ParsedOutput {
    const rest = this.#half;
    this.#half = '';
    this.#run(rest, true);
    const unclosedThink = this.#state === 'think' || this.#state === 'think-candidate' || this.#state === 'think-held';
    this.#finish();
    const message = this.builder.finish();
    return { message, events: this.builder.takeEvents(), unclosedThink };
  }

  #run(piece: string, isFinal: boolean): void {
    let text = this.#carry + piece;
    this.#carry = '';
    let at = 0;
    while (at < text.length) {
      const next = this.#step(text, at, isFinal);
      if (next < 0) {
        this.#carry = text.slice(-next - 1);
        return;
      }
      at = next;
      if (this.#carry === '') continue;
      text = this.#carry + text.slice(at);
      this.#carry = '';
      at = 0;
    }
  }

  /** One step from text[at]; returns where it stopped, or -stop - 1 when a tag there needs more text. */
  #step(text: string, at: number, isFinal: boolean): number {
    switch (this.#state) {
      case 'lead':
        return this.#lead(text, at, isFinal);
      case 'think':
      case 'think-held':
        return this.#think(text, at, isFinal);
      case 'think-candidate':
      case 'fence-candidate':
        return this.#candidate(text, at, isFinal);
      case 'content':
        return this.#content(text, at, isFinal);
      case 'call':
        return this.#call(text, at, isFinal);
    }
  }

  #lead(text: string, start: number, isFinal: boolean): number {
    let at = start;
    while (at < text.length && isLeadingSpace(text.charCodeAt(at))) at++;
    this.#held += text.slice(start, at);
    if (at === text.length) return at;
    const match = matchTag(text, at, thinkOpen, isFinal);
    if (match === perhaps) return -at - 1;
    if (match === yes) {
      this.#held = '';
      this.#openThink();
      return at + thinkOpen.length;
    }
    this.#state = 'content';
    this.#plain(this.#held);
    this.#held = '';
    return at;
  }

  #openThink(): void {
    this.#state = this.#thinkIsContent ? 'think-held' : 'think';
  }

  #think(text: string, start: number, isFinal: boolean): number {
    const isHeld = this.#state === 'think-held';
    for (let at = text.indexOf('<', start); at >= 0; at = text.indexOf('<', at + 1)) {
      const ends = matchTag(text, at, thinkClose, isFinal);
      const calls = isHeld || this.#rescue === 'ignore' ? no : matchTag(text, at, open, isFinal);
      if (ends === no && calls === no) continue;
      this.#reason(text.slice(start, at), isHeld);
      if (ends === yes) {
        this.builder.think(this.#held);
        this.#held = '';
        this.#fence = new FenceTracker();
        this.#state = 'content';
        return at + thinkClose.length;
      }
      if (calls !== yes) return -at - 1;
      this.#held = open;
      this.#state = 'think-candidate';
      return at + open.length;
    }
    this.#reason(text.slice(start), isHeld);
    return text.length;
  }

  #reason(text: string, isHeld: boolean): void {
    if (isHeld) {
      this.#held += text;
      return;
    }
    if (this.#rescue !== 'ignore') this.#fence.feedAll(text);
    this.builder.think(text);
  }

  /** After a `<tool_call>` that may only be looked at: white space, then what makes it a possible call, or not. */
  #candidate(text: string, start: number, isFinal: boolean): number {
    const inFence = this.#state === 'fence-candidate';
    const at = skipSpace(text, start);
    if (inFence) this.#fence.feedAll(text, start, at);
    this.#held += text.slice(start, at);
    if (at === text.length) return at;
    const match = matchTag(text, at, this.#grammar.opener, isFinal);
    if (match === perhaps) return -at - 1;
    if (match === no) {
      this.#dropCandidate();
      return at;
    }
    if (inFence) this.#isHolding = true;
    this.#state = inFence ? 'content' : 'think-held';
    return at;
  }

  #dropCandidate(): void {
    const inFence = this.#state === 'fence-candidate';
    const text = this.#held;
    this.#held = '';
    this.#state = inFence ? 'content' : 'think';
    if (inFence) this.builder.text(text);
    else this.#reason(text, false);
  }

  #content(text: string, start: number, isFinal: boolean): number {
    const fence = this.#fence;
    let from = start;
    for (let at = start; at < text.length; at++) {
      const code = text.charCodeAt(at);
      if (code === 60) {
        const match = this.#isHolding ? no : matchTag(text, at, open, isFinal);
        if (match !== no) {
          this.#say(text.slice(from, at));
          if (match === perhaps) return -at - 1;
          fence.midLine();
          if (fence.open) {
            this.#held = open;
            this.#state = 'fence-candidate';
          } else {
            this.#scan = this.#grammar.scan(this);
            this.#state = 'call';
          }
          return at + open.length;
        }
      }
      if (fence.idle && code !== 10) continue;
      if (!fence.feed(code) || !this.#isHolding) continue;
      // The fence has closed behind a possible call: it was an example.
      this.#say(text.slice(from, at + 1));
      from = at + 1;
      this.#release();
    }
    this.#say(text.slice(from));
    return text.length;
  }

  #say(text: string): void {
    if (this.#isHolding) this.#held += text;
    else this.builder.text(text);
  }

  #release(): void {
    this.#isHolding = false;
    this.builder.text(this.#held);
    this.#held = '';
  }

  /** Content that holds no tag. */
  #plain(text: string): void {
    this.#fence.feedAll(text);
    this.builder.text(text);
  }

  #call(text: string, start: number, isFinal: boolean): number {
    const scan = this.#scan!;
    const at = scan.feed(text, start, isFinal);
    if (scan.status === 'more') return at < text.length ? -at - 1 : at;
    const again = this.#endCall(scan, false);
    if (at >= again.length) return at - again.length;
    this.#carry = again;
    return at;
  }

  /** Returns the end of the block's text that has to be read again, as the possible beginning of another. */
  #endCall(scan: LiveScan, isFinal: boolean): string {
    this.#scan = undefined;
    this.#state = 'content';
    if (scan.status === 'done') {
      if (scan.isKnown) this.builder.commit(scan.calls, scan.raw);
      else this.builder.cancel(scan.calls, scan.raw);
      this.#plain(scan.tail);
      return '';
    }
    this.builder.cancel(scan.calls, open);
    const { carry, held } = settle(this, this.#grammar, scan.raw + scan.tail, open.length, this.#fence, isFinal);
    this.#held = held;
    this.#isHolding = held !== '';
    return carry;
  }

  #finish(): void {
    if (this.#state === 'lead') this.#plain(this.#held);
    if (this.#state === 'think-candidate') this.#dropCandidate();
    // What was held back in a think may go on as content and end like any other.
    if (this.#state === 'think-held') this.#finishThink();
    if (this.#state === 'fence-candidate') this.#dropCandidate();
    if (this.#state === 'call') {
      this.#scan!.finish();
      this.#endCall(this.#scan!, true);
    }
    if (this.#isHolding) {
      if (this.#fence.closes()) this.#release();
      else settle(this, this.#grammar, this.#held, 0, undefined, true);
      this.#isHolding = false;
    }
  }

  /** A `<think>` that never closed, with a possible call in it or with all of it held back. */
  #finishThink(): void {
    const held = this.#held;
    this.#held = '';
    if (this.#thinkIsContent) {
      this.#state = 'content';
      this.#run(held, true);
      return;
    }
    const at = findRescue(this, this.#grammar, held, this.#fence);
    this.builder.think(at < 0 || this.#rescue === 'keep' ? held : held.slice(0, at));
    if (at < 0) return;
    this.builder.muted = this.#rescue === 'keep';
    this.#fence = new FenceTracker();
    this.#state = 'content';
    this.#run(held.slice(at), true);
  }
}

function isLeadingSpace(code: number): boolean {
  return code === 32 || (code >= 9 && code <= 13 && code !== 11 && code !== 12);
}

/** Unique among all calls of all conversations, which is what ids of stored calls must be. */
function randomCallId(): string {
  const bytes = globalThis.crypto.getRandomValues(new Uint8Array(12));
  let id = 'call_';
  for (const byte of bytes) id += byte.toString(16).padStart(2, '0');
  return id;
}
