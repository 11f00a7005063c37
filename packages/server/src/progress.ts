// How far a prompt is, as streams tell it: llama.cpp's field where chunks have room for one, a comment in APIs that know no such
// event, whose SDKs skip comments. Opt-in, by llama.cpp's `return_progress`.
import type { PromptProgress } from '@mimokit/protocol';
import { badField } from './http-error.ts';

/** Throws `invalid-argument` for anything but true and false. */
export function wantsProgress(body: object): boolean {
  const value = (body as Readonly<Record<string, unknown>>)['return_progress'];
  if (value === undefined || value === null) return false;
  if (typeof value !== 'boolean') throw badField('return_progress', 'must be true or false');
  return value;
}

/** Times each report from when the answer was begun. */
export class ProgressClock {
  readonly #started = performance.now();

  /** llama.cpp's `prompt_progress`. */
  wire({ processedTokens, promptTokens, cachedTokens }: PromptProgress): Record<string, number> {
    const time = Math.round(performance.now() - this.#started);
    return { total: promptTokens, cache: cachedTokens, processed: processedTokens, time_ms: time };
  }

  /** The same as a comment of the event stream. */
  comment(progress: PromptProgress): string {
    return `: prompt_progress ${JSON.stringify(this.wire(progress))}\n\n`;
  }
}
