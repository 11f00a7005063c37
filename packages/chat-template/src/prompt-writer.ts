// The prompt while it is written: text, and which parts of it somebody wrote. Content, parts and arguments are checked here;
// how turns look is the layouts' business (render.ts, render-chatml.ts).
import { type Content, isJsonObject, type JsonObject, MimoError, readJson, type ToolCall } from '@mimokit/protocol';
import type { Profile } from './profiles.ts';

/** Half-open range of UTF-16 code units. */
export interface Span {
  start: number;
  end: number;
}

/** A piece of the prompt that the caller (or the model, in a past turn) wrote: special tokens in it are only text. */
export interface LiteralSpan extends Span {
  /** Index into the messages; -1 for the tools and for the template's own system text. */
  message: number;
  field: 'role' | 'content' | 'reasoning' | 'tool-call' | 'tool';
}

export class PromptWriter {
  readonly profile: Profile;
  readonly literal: LiteralSpan[] = [];
  readonly messageEnds: number[] = [];
  text = '';

  constructor(profile: Profile) {
    this.profile = profile;
  }

  /** Appends what somebody wrote. */
  write(text: string, message: number, field: LiteralSpan['field']): void {
    if (text === '') return;
    const start = this.text.length;
    this.text += text;
    this.literal.push({ start, end: start + text.length, message, field });
  }

  /** Text as written; of parts the text, and a placeholder per image, sound or film where the model has one. */
  content(content: Content | null | undefined, index: number): void {
    if (typeof content === 'string') {
      this.write(content, index, 'content');
      return;
    }
    if (content === null || content === undefined) return;
    if (!Array.isArray(content)) throw badContent(index, '');
    for (const [position, part] of content.entries()) {
      if (typeof part !== 'object' || part === null) throw badContent(index, `[${position}]`);
      const kind = this.profile.media === null ? undefined : mediaKind(part);
      if (kind !== undefined) this.text += this.profile.media![kind];
      else if (typeof part.text === 'string') this.write(part.text, index, 'content');
    }
  }

  plain(content: Content | null | undefined, index: number): string {
    if (typeof content === 'string') return content;
    if (content === null || content === undefined) return '';
    if (!Array.isArray(content)) throw badContent(index, '');
    return content.map((part) => (typeof part.text === 'string' ? part.text : '')).join('');
  }
}

const mediaKinds = ['image', 'audio', 'video'] as const;

function mediaKind(part: object & { type?: unknown }): (typeof mediaKinds)[number] | undefined {
  return mediaKinds.find((kind) => part.type === kind || kind in part || `${kind}_url` in part);
}

function badContent(index: number, at: string): MimoError {
  const field = `messages[${index}].content${at}`;
  return new MimoError('invalid-message', `${field} must be a string or an array of parts.`, { field });
}

/** The arguments object of a call, its numbers as they are written. */
export function argumentsOf(call: ToolCall, field: string): JsonObject {
  const bad = (why: string, cause?: unknown): MimoError =>
    new MimoError('invalid-message', `${field}.arguments ${why}.`, {
      hint: 'Give JSON text of one object.',
      field: `${field}.arguments`,
      cause,
    });
  let value: unknown;
  try {
    value = readJson(call.arguments);
  } catch (error) {
    throw bad(`is not JSON: ${error instanceof Error ? error.message : String(error)}`, error);
  }
  if (!isJsonObject(value)) throw bad('is not a JSON object');
  return value;
}
