// Policy: the older part of a conversation becomes a summary; the archive keeps it in full and the model can search it. Who
// writes the summary, and from what, is write-summary.ts.
import type { Message, UserMessage } from '@mimokit/protocol';
import { readToolName, searchToolName } from './archive.ts';
import { contentText, textOf } from './passages.ts';
import type { ContextPolicy, Cut, Fitting } from './policy.ts';
import { createResultCuts, resultText, wayBack } from './result-cuts.ts';
import { type Summarise, writeSummary } from './write-summary.ts';

export interface SummariseOptions {
  /** Writes the summaries. Default: the model itself, without thinking. */
  summarise?: Summarise;
  /** Most tokens of the summary. Default: an eighth of what is free beside system text and tools, at most 1,024. */
  summaryTokens?: number;
  /** Tokens of the newest messages that stay as they are. Default: half of what is free. */
  keepTokens?: number;
}

/** Tokens that a turn costs beside its text: its header, its end, its think tags. */
const turnTokens = 12;

/**
 * Once the limit is reached, replaces the older messages by a summary and keeps the newest as they are: calls stay with their
 * results, reasoning with its calls, and the last request of the user is always there. A result too large for what is left
 * is shortened, with a note.
 */
export function summariseAndArchive(options: SummariseOptions = {}): ContextPolicy {
  const results = createResultCuts();
  let upTo = 0;
  let summary = '';

  /** Where the kept part begins: a turn of its own, as early as `keepTokens` allows. */
  function chooseCut({ messages, measure }: Fitting, first: number, keepTokens: number): number {
    const all = results.apply(messages);
    let tokens = 0;
    let cut = messages.length;
    for (let at = messages.length - 1; at > first; at--) {
      tokens += measure.text(textOf(all[at]!)) + turnTokens;
      const isTurn = messages[at]!.role !== 'tool';
      if (isTurn && (tokens <= keepTokens || cut === messages.length)) cut = at;
      if (tokens > keepTokens && cut < messages.length) break;
    }
    return cut;
  }

  function view(fitting: Fitting, head: number, pinTokens: number): Message[] {
    const { messages } = fitting;
    const all = results.apply(messages);
    if (upTo <= head) return all;
    return [
      ...all.slice(0, head),
      summaryMessage(summary, head, upTo, fitting.canSearch),
      ...pinned(fitting, head, upTo, pinTokens),
      ...all.slice(upTo),
    ];
  }

  return {
    name: 'summarise-and-archive',
    cuts: true,
    async fit(fitting) {
      const { messages, known, limitTokens, measure, canSearch } = fitting;
      const cuts: Cut[] = [];
      const head = messages[0]?.role === 'system' ? 1 : 0;
      results.forget(known);
      if (upTo > known) [upTo, summary] = [0, ''];
      const alone: Message[] = head === 1 ? [messages[0]!] : [{ role: 'user', content: '' }];
      const free = Math.max(0, limitTokens - measure.prompt(alone));
      const summaryTokens = options.summaryTokens ?? Math.min(1024, Math.floor(free / 8));
      const keepTokens = options.keepTokens ?? Math.floor(free / 2);
      const pinTokens = Math.floor(free / 4);
      if (measure.prompt(view(fitting, head, pinTokens)) <= limitTokens) {
        return { messages: view(fitting, head, pinTokens), cuts };
      }
      const from = Math.max(head, upTo);
      const cut = chooseCut(fitting, from, keepTokens);
      if (cut > from && cut < messages.length) {
        summary = await writeSummary({
          fitting,
          previous: summary,
          messages: messages.slice(from, cut),
          maxTokens: summaryTokens,
          summarise: options.summarise,
        });
        upTo = cut;
        cuts.push({ kind: 'summarised', from, to: cut - 1 });
      }
      // One turn alone may be too large: its results are shortened, the oldest first.
      for (let at = Math.max(head, upTo); at < messages.length; at++) {
        const tokens = measure.prompt(view(fitting, head, pinTokens));
        if (tokens <= limitTokens) break;
        if (messages[at]!.role !== 'tool') continue;
        const size = measure.text(resultText(messages[at]));
        results.shorten(at, Math.max(64, size - (tokens - limitTokens) - 8), messages, { measure, canSearch, cuts });
      }
      return { messages: view(fitting, head, pinTokens), cuts };
    },
  };
}

function summaryMessage(summary: string, from: number, upTo: number, canSearch: boolean): UserMessage {
  const where = canSearch ? ` Their full text is in the archive: ${searchToolName}, ${readToolName}.` : '';
  const text = `[Messages ${from} to ${upTo - 1} of this conversation were summarised to save context.${where}]\n${summary}`;
  return { role: 'user', content: text };
}

/** The last thing the user asked for, when the cut would take it away. */
function pinned({ messages, measure, canSearch }: Fitting, head: number, upTo: number, pinTokens: number): Message[] {
  const last = messages.findLastIndex((message) => message.role === 'user');
  const message = messages[last];
  if (message?.role !== 'user' || last >= upTo || last < head) return [];
  const text = contentText(message.content);
  if (measure.text(text) <= pinTokens) return [message];
  const note = `\n[… the rest of this message removed to save context; ${wayBack(last, { canSearch })}]`;
  return [{ role: 'user', content: measure.truncate(text, pinTokens - measure.text(note)) + note }];
}
