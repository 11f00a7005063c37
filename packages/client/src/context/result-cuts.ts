// Tool results that were taken out of a prompt, or shortened in it: which, and what stands in their place.
import type { Message } from '@mimokit/protocol';
import { readToolName } from './archive.ts';
import type { Measure } from './measure.ts';
import { contentText } from './passages.ts';
import type { Cut } from './policy.ts';

export interface ResultCuts {
  /** Forgets cuts of messages from this index on: they are others now. */
  forget(from: number): void;
  /** The messages with the cuts in their places. */
  apply(messages: readonly Message[]): Message[];
  /** Puts a note in the place of a result, unless that would be no shorter. Returns the tokens saved. */
  discard(index: number, messages: readonly Message[], setting: CutSetting): number;
  /** Keeps the beginning of a result, about `keepTokens` of it. Returns the tokens saved. */
  shorten(index: number, keepTokens: number, messages: readonly Message[], setting: CutSetting): number;
}

export interface CutSetting {
  measure: Measure;
  canSearch: boolean;
  cuts: Cut[];
}

export function createResultCuts(): ResultCuts {
  const inPlace = new Map<number, string>();

  function replace(index: number, text: string, kind: Cut['kind'], messages: readonly Message[], setting: CutSetting) {
    const { measure, cuts } = setting;
    const before = inPlace.get(index) ?? resultText(messages[index]);
    const saved = measure.text(before) - measure.text(text);
    if (saved <= 0) return 0;
    inPlace.set(index, text);
    cuts.push({ kind, from: index, to: index });
    return saved;
  }

  return {
    forget(from) {
      for (const index of inPlace.keys()) if (index >= from) inPlace.delete(index);
    },
    apply: (messages) =>
      messages.map((message, index) => {
        const content = inPlace.get(index);
        return content === undefined || message.role !== 'tool' ? message : { ...message, content };
      }),
    discard(index, messages, setting) {
      const tokens = setting.measure.text(resultText(messages[index]));
      const note = `[${toolName(messages, index)}: ${tokens} tokens removed to save context; ${wayBack(index, setting)}]`;
      return replace(index, note, 'discarded', messages, setting);
    },
    shorten(index, keepTokens, messages, setting) {
      const { measure } = setting;
      const text = resultText(messages[index]);
      const tokens = measure.text(text);
      const note = `\n[… the rest of ${tokens} tokens removed to save context; ${wayBack(index, setting)}]`;
      const kept = measure.truncate(text, keepTokens - measure.text(note));
      return replace(index, kept + note, 'shortened', messages, setting);
    },
  };
}

/** Where the model finds it again. */
export function wayBack(index: number, { canSearch }: Pick<CutSetting, 'canSearch'>): string {
  if (canSearch) return `${readToolName} message ${index}`;
  return 'no longer available here';
}

export function resultText(message: Message | undefined): string {
  return message?.role === 'tool' ? contentText(message.content) : '';
}

function toolName(messages: readonly Message[], index: number): string {
  const result = messages[index];
  if (result?.role !== 'tool') return 'a tool';
  for (let at = index - 1; at >= 0; at--) {
    const asked = messages[at]!;
    if (asked.role !== 'assistant') continue;
    return asked.toolCalls?.find(({ id }) => id === result.toolCallId)?.name ?? 'a tool';
  }
  return 'a tool';
}
