// One `<tool_call>` block in MiMo-V2's tag form, read as it arrives: functions, parameters and values, announced to the builder
// while they grow. What becomes of a block that turns out to be none is decided in settle.ts.
//   <tool_call> ws <function=NAME> ws { <parameter=KEY>VALUE</parameter> ws } </function> ws </tool_call>
import { type CallContext, type LiveScan, openCall } from './call-grammar.ts';
import type { OpenCall } from './message-builder.ts';
import { isPythonSpace, pythonStrip, skipSpace } from './python-format.ts';
import {
  close,
  functionClose,
  functionOpen,
  matchOne,
  matchTag,
  no,
  open,
  parameterClose,
  parameterOpen,
  perhaps,
} from './tag-scanner.ts';
import { convertValue, type ParameterRule } from './tool-arguments.ts';

/** After a parameter or before the first one. */
const argumentTags = [parameterOpen, functionClose, close];
/** After `</function>`. */
const blockTags = [functionOpen, close, open];

type State = 'open' | 'name' | 'junk' | 'arguments' | 'key' | 'value' | 'value-end' | 'after';

export class TagCallScan implements LiveScan {
  status: LiveScan['status'] = 'more';
  raw: string = open;
  tail = '';
  isKnown = true;
  readonly calls: OpenCall[] = [];
  #state: State = 'open';
  #name = '';
  #call: OpenCall | undefined;
  #key = '';
  #value = '';
  #valueEnd = '';
  #rule: ParameterRule | undefined;
  #stream: ValueStream | undefined;
  readonly #context: CallContext;

  constructor(context: CallContext) {
    this.#context = context;
  }

  feed(text: string, start: number, isFinal: boolean): number {
    let at = start;
    while (at < text.length && this.status === 'more') {
      // After `</function>` the block may be over: `between` adds to raw what turns out to belong to it.
      const ownsText = this.#state !== 'after';
      const next = this.#step(text, at, isFinal);
      const stop = next < 0 ? -next - 1 : next;
      if (ownsText) this.raw += text.slice(at, stop);
      if (next < 0) return stop;
      at = stop;
    }
    return at;
  }

  finish(): void {
    if (this.status === 'more') this.status = this.#state === 'after' ? 'done' : 'failed';
  }

  /** One step from text[at]; returns where it stopped, or -stop - 1 when a tag there needs more text. */
  #step(text: string, at: number, isFinal: boolean): number {
    switch (this.#state) {
      case 'name':
      case 'key':
        return this.#readName(text, at);
      case 'junk':
        return this.#skipJunk(text, at, isFinal);
      case 'value':
        return this.#readValue(text, at, isFinal);
      case 'value-end':
        return this.#readValueEnd(text, at, isFinal);
      default:
        return this.#between(text, at, isFinal);
    }
  }

  /** White space, then a tag that moves on or a character that ends it. */
  #between(text: string, start: number, isFinal: boolean): number {
    const at = skipSpace(text, start);
    if (this.#state === 'after') this.tail += text.slice(start, at);
    if (at === text.length) return at;
    const tags = this.#state === 'open' ? [functionOpen] : this.#state === 'after' ? blockTags : argumentTags;
    const tag = matchOne(text, at, tags, isFinal);
    if (tag === perhaps) return -at - 1;
    if (tag === no) {
      this.status = 'failed';
      return at;
    }
    if (this.#state === 'after') {
      if (tag === open) {
        this.status = 'done';
        return at;
      }
      this.raw += this.tail + tag;
      this.tail = '';
    } else if (tag === functionClose || tag === close) this.#endFunction();
    if (tag === close) this.status = 'done';
    else if (tag === functionClose) this.#state = 'after';
    else {
      this.#name = '';
      this.#state = tag === functionOpen ? 'name' : 'key';
    }
    return at + tag.length;
  }

  #readName(text: string, at: number): number {
    const end = text.indexOf('>', at);
    this.#name += text.slice(at, end < 0 ? text.length : end);
    if (end < 0) return text.length;
    if (this.#name === '') this.status = 'failed';
    else if (this.#state === 'name') this.#beginFunction();
    else this.#beginValue();
    return end + 1;
  }

  #skipJunk(text: string, start: number, isFinal: boolean): number {
    for (let at = text.indexOf('<', start); at >= 0; at = text.indexOf('<', at + 1)) {
      const tag = matchOne(text, at, argumentTags, isFinal);
      if (tag === perhaps) return -at - 1;
      if (tag === no) continue;
      this.#state = 'arguments';
      return at;
    }
    return text.length;
  }

  #readValue(text: string, start: number, isFinal: boolean): number {
    for (let at = text.indexOf('<', start); at >= 0; at = text.indexOf('<', at + 1)) {
      const match = matchTag(text, at, parameterClose, isFinal);
      if (match === no) continue;
      this.#grow(text.slice(start, at));
      if (match === perhaps) return -at - 1;
      this.#valueEnd = parameterClose;
      this.#state = 'value-end';
      return at + parameterClose.length;
    }
    this.#grow(text.slice(start));
    return text.length;
  }

  /** After `</parameter>`: the value ends here if the block goes on, otherwise the tag belonged to the value. */
  #readValueEnd(text: string, start: number, isFinal: boolean): number {
    const at = skipSpace(text, start);
    this.#valueEnd += text.slice(start, at);
    if (at === text.length) return at;
    const tag = matchOne(text, at, argumentTags, isFinal);
    if (tag === perhaps) return -at - 1;
    if (tag === no) {
      this.#grow(this.#valueEnd);
      this.#state = 'value';
    } else {
      this.#endValue();
      this.#state = 'arguments';
    }
    return at;
  }

  #beginFunction(): void {
    this.#state = 'junk';
    const tool = this.#context.tools.get(pythonStrip(this.#name));
    if (tool === undefined) this.isKnown = false;
    this.#call = undefined;
    if (!this.isKnown || tool === undefined) return;
    this.#call = openCall(this.#context, tool);
    this.calls.push(this.#call);
    this.#context.builder.start(this.#call);
  }

  #endFunction(): void {
    if (this.#call) this.#context.builder.input(this.#call.id, this.#call.values.size === 0 ? '{}' : '}');
  }

  #beginValue(): void {
    this.#state = 'value';
    this.#value = '';
    if (!this.#call) return;
    this.#key = pythonStrip(this.#name);
    this.#rule = this.#call.tool.rule(this.#key);
    this.#context.builder.input(
      this.#call.id,
      `${this.#call.values.size === 0 ? '{' : ','}${JSON.stringify(this.#key)}:`,
    );
    this.#stream = this.#rule.mode === 'whole' ? undefined : new ValueStream(this.#rule.mode === 'text-or-null');
  }

  #grow(text: string): void {
    if (!this.#call || text === '') return;
    this.#value += text;
    if (this.#stream) this.#context.builder.input(this.#call.id, this.#stream.push(text));
  }

  #endValue(): void {
    if (!this.#call || !this.#rule) return;
    const value = convertValue(this.#value, this.#rule);
    this.#call.values.delete(this.#key);
    this.#call.values.set(this.#key, value);
    this.#context.builder.input(this.#call.id, this.#stream ? this.#stream.end(value.json) : value.json);
  }
}

/** A string value as JSON text while it grows; held back while it may still read null or None. */
class ValueStream {
  #held = '';
  #isOpen = false;
  /** 0: white space so far; 1: inside the word; 2: white space after the whole word. */
  #phase = 0;
  #word = '';
  #matched = 0;

  constructor(mayBeNull: boolean) {
    this.#isOpen = !mayBeNull;
    if (this.#isOpen) this.#held = '"';
  }

  push(text: string): string {
    if (!this.#isOpen && this.#mayBeNull(text)) {
      this.#held += text;
      return '';
    }
    const start = this.#isOpen ? this.#held : `"${escaped(this.#held)}`;
    this.#isOpen = true;
    this.#held = '';
    return start + escaped(text);
  }

  /** What is left to send when the value is `json`. */
  end(json: string): string {
    return this.#isOpen ? `${this.#held}"` : json;
  }

  #mayBeNull(text: string): boolean {
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      if (isPythonSpace(code)) {
        if (this.#phase === 1) {
          if (this.#matched < 4) return false;
          this.#phase = 2;
        }
      } else if (this.#phase === 0) {
        this.#word = code === 110 ? 'null' : 'None';
        if (code !== this.#word.charCodeAt(0)) return false;
        this.#phase = 1;
        this.#matched = 1;
      } else if (this.#phase === 2 || code !== this.#word.charCodeAt(this.#matched++)) return false;
    }
    return true;
  }
}

function escaped(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}
