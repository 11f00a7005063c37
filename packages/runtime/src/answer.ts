// Ids → events of one chat answer: whole characters, the template's parser, stop strings, token counts. Knows no engine.
import type { OutputParser } from '@mimokit/chat-template';
import type { AssistantMessage, FinishReason, StreamEvent, TextLogprob, ToolCall, Usage } from '@mimokit/protocol';
import type { DecodeStream } from '@mimokit/tokenizer';
import { StopText } from './stop-text.ts';

/** Ids of the tags around reasoning, where the vocabulary has them. */
export interface ThinkIds {
  open: number | undefined;
  close: number | undefined;
}

export class AnswerReader {
  readonly #decode: DecodeStream;
  readonly #parser: OutputParser;
  readonly #stop: StopText;
  readonly #stopIds: ReadonlySet<number>;
  readonly #thinkIds: ThinkIds;
  /** Content as it was delivered, and the calls. */
  #content = '';
  readonly #calls: ToolCall[] = [];
  #isThinking = false;
  /** Of tokens whose text was not delivered yet. */
  #logprobs: TextLogprob[] = [];
  #text = '';
  completionTokens = 0;
  reasoningTokens = 0;

  constructor(parts: {
    decode: DecodeStream;
    parser: OutputParser;
    stop: readonly string[];
    stopIds: ReadonlySet<number>;
    thinkIds: ThinkIds;
    /** Whether the prompt ended inside reasoning. */
    startsThinking: boolean;
  }) {
    this.#decode = parts.decode;
    this.#parser = parts.parser;
    this.#stop = new StopText(parts.stop);
    this.#stopIds = parts.stopIds;
    this.#thinkIds = parts.thinkIds;
    this.#isThinking = parts.startsThinking;
  }

  /** True once a stop string has ended the answer; what comes later is ignored. */
  get isStopped(): boolean {
    return this.#stop.isStopped;
  }

  /** The output so far as the model wrote it, without the stop id. */
  get text(): string {
    return this.#text;
  }

  /**
   * Takes ids as they come, and where they were asked for the log-probability of each. One at a time, so that counts do not
   * depend on how many came at once.
   */
  push(ids: readonly number[], logprobs?: readonly TextLogprob[]): StreamEvent[] {
    const events: StreamEvent[] = [];
    for (const [index, id] of ids.entries()) {
      if (this.isStopped) break;
      this.completionTokens++;
      if (this.#stopIds.has(id)) continue;
      const isTag = id === this.#thinkIds.open || id === this.#thinkIds.close;
      if (logprobs !== undefined && !isTag) this.#logprobs.push(logprobs[index]);
      if (id === this.#thinkIds.close) this.#isThinking = false;
      if (this.#isThinking) this.reasoningTokens++;
      if (id === this.#thinkIds.open && this.#content === '') this.#isThinking = true;
      const text = this.#decode.push([id]);
      this.#text += text;
      this.#take(this.#parser.push(text), events);
    }
    return merged(events);
  }

  /** The end: what was held back, then `finish`. `reason` and `usage` are the engine's. */
  end(reason: FinishReason, usage: Usage): StreamEvent[] {
    const events: StreamEvent[] = [];
    const rest = this.isStopped ? '' : this.#decode.flush();
    this.#text += rest;
    this.#take(this.#parser.push(rest), events);
    const parsed = this.#parser.end();
    this.#take(parsed.events, events);
    this.#say(this.#stop.flush(), events);
    events.push({
      type: 'finish',
      reason: this.#reasonOf(reason),
      usage: {
        ...usage,
        completionTokens: this.completionTokens,
        reasoningTokens: this.reasoningTokens,
        ...(usage.acceptLengths && { acceptLengths: cut(usage.acceptLengths, this.completionTokens - 1) }),
      },
      message: this.#messageOf(parsed.message),
      ...(this.#stop.match !== undefined && { stopText: this.#stop.match }),
    });
    return merged(events);
  }

  /** Passes events on; content goes through the stop strings, and nothing follows a match. */
  #take(from: readonly StreamEvent[], into: StreamEvent[]): void {
    for (const event of from) {
      if (this.isStopped) return;
      if (event.type === 'text-delta') {
        this.#say(this.#stop.push(event.text), into);
        continue;
      }
      // Text on either side of a call is not one text: a stop string does not reach across.
      if (event.type === 'tool-input-start' || event.type === 'tool-call') this.#say(this.#stop.flush(), into);
      if (event.type === 'tool-call') this.#calls.push(event.call);
      if (event.type === 'reasoning-delta') {
        into.push({ ...event, ...this.#behind() });
        continue;
      }
      if (event.type !== 'tool-input-cancelled') {
        // Tokens of a call are no text.
        this.#logprobs = [];
        into.push(event);
        continue;
      }
      const text = this.#stop.push(event.text);
      this.#content += text;
      into.push({ ...event, text });
    }
  }

  #say(text: string, into: StreamEvent[]): void {
    if (text === '') return;
    this.#content += text;
    into.push({ type: 'text-delta', text, ...this.#behind() });
  }

  /** The log-probabilities of the text that is delivered now. */
  #behind(): { logprobs?: readonly TextLogprob[] } {
    const logprobs = this.#logprobs;
    if (logprobs.length === 0) return {};
    this.#logprobs = [];
    return { logprobs };
  }

  #reasonOf(reason: FinishReason): FinishReason {
    const ended = this.isStopped ? 'stop' : reason;
    return ended === 'stop' && this.#calls.length > 0 ? 'tool-calls' : ended;
  }

  #messageOf(parsed: AssistantMessage): AssistantMessage {
    if (!this.isStopped) return parsed;
    const { toolCalls: _, ...message } = parsed;
    return { ...message, content: this.#content, ...(this.#calls.length > 0 && { toolCalls: this.#calls }) };
  }
}

/** Neighbouring deltas of one kind as one. */
function merged(events: readonly StreamEvent[]): StreamEvent[] {
  const result: StreamEvent[] = [];
  for (const event of events) {
    const last = result.at(-1);
    if (last !== undefined && last.type === event.type && 'text' in last && 'text' in event && isSame(last, event)) {
      const logprobs = [...logprobsOf(last), ...logprobsOf(event)];
      result[result.length - 1] = { ...last, text: last.text + event.text, ...(logprobs.length > 0 && { logprobs }) };
    } else {
      result.push(event);
    }
  }
  return result;
}

function logprobsOf(event: StreamEvent): readonly TextLogprob[] {
  return 'logprobs' in event ? (event.logprobs ?? []) : [];
}

function isSame(a: StreamEvent, b: StreamEvent): boolean {
  if (a.type === 'tool-input-cancelled') return false;
  return !('id' in a) || !('id' in b) || a.id === b.id;
}

/** The lengths of the steps that brought the first `tokens` ids; the last one is cut. */
function cut(lengths: readonly number[], tokens: number): number[] {
  const result: number[] = [];
  let left = tokens;
  for (const length of lengths) {
    if (left <= 0) break;
    result.push(Math.min(length, left));
    left -= length;
  }
  return result;
}
