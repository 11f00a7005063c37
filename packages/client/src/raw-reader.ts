// Text of a completion → events, through the template's parser. Knows the wire shape and when an answer is over; not HTTP.
import type { OutputParser } from '@mimokit/chat-template';
import { type AssistantMessage, MimoError, type StreamEvent, type Usage } from '@mimokit/protocol';
import { reasonOf, usageOf } from './accumulate.ts';
import { type CompletionChunk, completionChunkSchema } from './completion-wire.ts';
import type { AnswerReader } from './http-model.ts';
import { createStopCut } from './stop-cut.ts';
import { checkWire } from './wire-check.ts';

export interface RawReaderOptions {
  parser: OutputParser;
  /** The beginning of the answer that stood in the prompt already. */
  prefix: string;
  stopTokens: readonly string[];
  maxChars: number;
  /** For the reasoning tokens, which no server counts on this route. */
  countTokens: ((text: string) => number) | undefined;
}

export function createRawReader(options: RawReaderOptions): AnswerReader {
  const { parser, maxChars, countTokens } = options;
  const cut = createStopCut(options.stopTokens);
  const seen: AssistantMessage = { role: 'assistant', content: '' };
  let usage: Usage = { promptTokens: 0, cachedTokens: 0, completionTokens: 0, reasoningTokens: 0 };
  let finishReason: string | undefined;
  let began = false;
  let chars = 0;

  /** What the events so far say; calls count once they are whole. */
  function noted(events: StreamEvent[]): StreamEvent[] {
    for (const event of events) {
      if (event.type === 'reasoning-delta') seen.reasoning = (seen.reasoning ?? '') + event.text;
      if (event.type === 'text-delta' || event.type === 'tool-input-cancelled') seen.content += event.text;
    }
    return events;
  }

  function take(text: string): StreamEvent[] {
    chars += text.length;
    if (chars > maxChars) {
      throw new MimoError('stream-malformed', `The answer exceeds ${maxChars} characters.`, {
        hint: 'Send a smaller maxTokens, or raise limits.answerChars.',
        maxChars,
        partial: seen,
      });
    }
    const whole = began ? cut.push(text) : options.prefix + cut.push(text);
    began = true;
    return noted(parser.push(whole));
  }

  function takeChunk(chunk: CompletionChunk): StreamEvent[] {
    const events: StreamEvent[] = [];
    if (chunk.usage) usage = usageOf(chunk.usage);
    for (const choice of chunk.choices ?? []) {
      if ((choice.index ?? 0) !== 0) continue;
      if (choice.text) events.push(...take(choice.text));
      if (choice.finish_reason) finishReason = choice.finish_reason;
    }
    return events;
  }

  return {
    push: (value, where) => takeChunk(checkWire(completionChunkSchema, value, where)),
    pushWhole: (value) => {
      const answer = checkWire(completionChunkSchema, value, 'The answer');
      if (!answer.choices?.some((choice) => (choice.index ?? 0) === 0)) {
        throw new MimoError('stream-malformed', 'The answer has no choice.', {
          hint: 'Ask the server with curl what it answers.',
        });
      }
      return takeChunk(answer);
    },
    end(done) {
      if (!done && finishReason === undefined) {
        throw new MimoError('stream-malformed', 'The stream broke off: neither a finish_reason nor [DONE] came.', {
          hint: 'The connection or the server was cut; send the request again.',
          partial: seen,
        });
      }
      const events = noted(parser.push(began ? cut.end() : options.prefix));
      const { message, events: last } = parser.end();
      events.push(...noted(last));
      if (countTokens && message.reasoning) usage = { ...usage, reasoningTokens: countTokens(message.reasoning) };
      const hasCalls = (message.toolCalls?.length ?? 0) > 0;
      // A server may say that it met a stop text by another word; the cut knows better.
      const reason = reasonOf(cut.closed ? 'stop' : finishReason, hasCalls);
      return [...events, { type: 'finish', reason, usage, message }];
    },
    abort: () => ({ type: 'finish', reason: 'aborted', usage, message: { ...seen } }),
    partial: () => ({ ...seen }),
  };
}
