// The answer as it grows: text, reasoning and calls in order, as events and as the final message. Keeps the rule that a piece
// of white space next to a call is no content. Decides nothing about what is a call.
import type { AssistantMessage, StreamEvent, ToolCall, ToolCallFlag } from '@mimokit/protocol';
import { skipSpace } from './python-format.ts';
import type { ToolRules, TypedValue } from './tool-arguments.ts';

/** A call being read: its function and the values so far, in order of emission. */
export interface OpenCall {
  id: string;
  tool: ToolRules;
  values: Map<string, TypedValue>;
  /** Whether tool-input-start was sent. */
  announced: boolean;
  /** Arguments as one JSON text, when the grammar has them so; otherwise they are made from the values. */
  json?: string;
}

export class MessageBuilder {
  #events: StreamEvent[] = [];
  #content = '';
  #reasoning = '';
  readonly #calls: ToolCall[] = [];
  /** White space at the start of the current piece, until something else follows. */
  #blank = '';
  #isBlank = true;
  /** Text goes nowhere: for a call that is delivered although its text stays reasoning. */
  muted = false;

  takeEvents(): StreamEvent[] {
    const events = this.#events;
    this.#events = [];
    return events;
  }

  text(text: string): void {
    if (this.muted) return;
    if (this.#isBlank && skipSpace(text, 0) === text.length) this.#blank += text;
    else this.#emitText(text);
  }

  think(text: string): void {
    if (text === '') return;
    this.#reasoning += text;
    this.#delta('reasoning-delta', text);
  }

  start(call: OpenCall): void {
    call.announced = true;
    this.#events.push({ type: 'tool-input-start', id: call.id, name: call.tool.name });
  }

  input(id: string, text: string): void {
    if (text === '') return;
    const last = this.#events.at(-1);
    if (last?.type === 'tool-input-delta' && last.id === id) last.text += text;
    else this.#events.push({ type: 'tool-input-delta', id, text });
  }

  /** The calls of one block are calls. `source` is the block as generated, kept when it holds exactly one. */
  commit(calls: readonly OpenCall[], source: string): void {
    const whole = this.muted ? undefined : this.#blank + source;
    for (const call of calls) {
      const text = call.json ?? argumentsText(call.values);
      if (!call.announced) {
        this.start(call);
        this.input(call.id, text);
      }
      this.#events.push({ type: 'tool-input-end', id: call.id });
      const done: ToolCall = { id: call.id, name: call.tool.name, arguments: text };
      if (calls.length === 1 && whole !== undefined) done.source = whole;
      const flags = flagsOf(call.values);
      if (flags.length > 0) done.flags = flags;
      this.#calls.push(done);
      this.#events.push({ type: 'tool-call', call: done });
    }
    this.#blank = '';
    this.#isBlank = true;
  }

  /** The block is no call after all: its text is content, reported with the first of its announced calls. */
  cancel(calls: readonly OpenCall[], text: string): void {
    let rest = text;
    for (const call of calls) {
      if (!call.announced) continue;
      if (rest !== '' && !this.muted) {
        this.#emitText('');
        this.#content += rest;
      }
      this.#events.push({ type: 'tool-input-cancelled', id: call.id, text: this.muted ? '' : rest });
      rest = '';
    }
    this.text(rest);
  }

  /** Ends the answer: white space after the last call is dropped, without any call it is the content. */
  finish(): AssistantMessage {
    if (this.#calls.length === 0) this.#emitText('');
    const message: AssistantMessage = { role: 'assistant', content: this.#content };
    // An empty field tells the template that a `</think>` in the content is text and no end of reasoning.
    if (this.#reasoning !== '' || this.#content.includes('</think>')) message.reasoning = this.#reasoning;
    if (this.#calls.length > 0) message.toolCalls = this.#calls;
    return message;
  }

  /** Text that counts, after the white space that waited for it. */
  #emitText(text: string): void {
    const whole = this.#blank + text;
    this.#blank = '';
    this.#isBlank = false;
    this.#content += whole;
    if (whole !== '') this.#delta('text-delta', whole);
  }

  #delta(type: 'text-delta' | 'reasoning-delta', text: string): void {
    const last = this.#events.at(-1);
    if (last?.type === type) last.text += text;
    else this.#events.push({ type, text });
  }
}

function argumentsText(values: ReadonlyMap<string, TypedValue>): string {
  let text = '';
  for (const [key, value] of values) text += `${text === '' ? '' : ','}${JSON.stringify(key)}:${value.json}`;
  return `{${text}}`;
}

function flagsOf(values: ReadonlyMap<string, TypedValue>): ToolCallFlag[] {
  const flags: ToolCallFlag[] = [];
  for (const [parameter, value] of values) if (!value.fits) flags.push({ parameter, problem: 'type-mismatch' });
  return flags;
}
