// A summary of messages, by the model or by a function of the caller, within a number of tokens. Long stretches are read in
// pieces, each with the summary so far, so that no prompt exceeds the limit.
import { type Message, MimoError } from '@mimokit/protocol';
import { contentText } from './passages.ts';
import type { Fitting } from './policy.ts';

export interface SummaryInput {
  /** The summary of what came before, empty at the beginning. */
  previous: string;
  messages: readonly Message[];
  maxTokens: number;
  signal: AbortSignal;
}

/** Returns the new summary: of what `previous` says and of the messages. More than `maxTokens` is cut. */
export type Summarise = (input: SummaryInput) => string | Promise<string>;

export interface SummaryTask {
  fitting: Fitting;
  previous: string;
  messages: readonly Message[];
  maxTokens: number;
  summarise: Summarise | undefined;
}

const instruction = `Summarise this part of a conversation for the assistant who goes on with it. Keep what the user asked for, decisions, names, numbers, paths, results and open points. Write the summary only, in the language of the conversation.`;

/** Most tokens of one message in the text to be summarised. */
const mostMessageTokens = 600;

export async function writeSummary(task: SummaryTask): Promise<string> {
  const { fitting, messages, maxTokens, summarise } = task;
  const { measure, signal } = fitting;
  const text = summarise
    ? await summarise({ previous: task.previous, messages, maxTokens, signal })
    : await askModel(task);
  const summary = text.trim();
  if (measure.text(summary) <= maxTokens) return summary;
  const mark = ' … (cut)';
  return measure.truncate(summary, maxTokens - measure.text(mark)) + mark;
}

async function askModel({ fitting, previous, messages, maxTokens }: SummaryTask): Promise<string> {
  const { measure, model, budgetTokens, signal } = fitting;
  const limitTokens = budgetTokens - maxTokens;
  const messageTokens = Math.min(mostMessageTokens, Math.floor(limitTokens / 4));
  let summary = previous;
  let lines: string[] = [];
  const prompt = (): Message[] => [{ role: 'user', content: task(summary, lines) }];

  async function flush(): Promise<void> {
    if (lines.length === 0) return;
    const promptTokens = measure.bare(prompt());
    if (promptTokens > limitTokens) {
      throw new MimoError(
        'context-overflow',
        `Asking for a summary takes ${promptTokens} tokens; the budget of ${budgetTokens} leaves ${limitTokens}.`,
        { hint: 'Raise budgetTokens, or pass summarise.', promptTokens, limitTokens, budgetTokens },
      );
    }
    const answer = await model.chat({ messages: prompt(), maxTokens, thinking: false, signal }).message();
    // A model that says nothing must not erase what was known.
    summary = answer.content.trim() === '' ? summary : measure.truncate(answer.content.trim(), maxTokens);
    lines = [];
  }
  for (const message of messages) {
    const line = printMessage(message);
    const short = measure.truncate(line, messageTokens);
    lines.push(short.length < line.length ? `${short} … (cut)` : line);
    if (measure.bare(prompt()) <= limitTokens || lines.length === 1) continue;
    const last = lines.pop()!;
    await flush();
    lines.push(last);
  }
  await flush();
  return summary;
}

function task(summary: string, lines: readonly string[]): string {
  const before = summary === '' ? '' : `\n\n<summary_so_far>\n${summary}\n</summary_so_far>`;
  return `${instruction}${before}\n\n<conversation>\n${lines.join('\n')}\n</conversation>`;
}

/** Reasoning is left out: it is the longest part and says least of what others need. */
function printMessage(message: Message): string {
  if (message.role !== 'assistant') return `${message.role}: ${contentText(message.content)}`;
  const calls = (message.toolCalls ?? []).map((call) => `\nassistant calls ${call.name} ${call.arguments}`).join('');
  return `assistant: ${message.content}${calls}`;
}
