// A model's template: messages → prompt, output → events, under one profile.

import { MimoError } from '@mimokit/protocol';
import { createParser, type OutputParser, parse, type ParsedOutput, type ParserOptions } from './parse.ts';
import { type Profile, type ProfileName, profiles } from './profiles.ts';
import { type RenderedPrompt, renderPrompt, type RenderRequest } from './render.ts';

export interface ChatTemplate {
  readonly profile: Profile;
  readonly stopTokens: readonly string[];
  /** The prompt, byte for byte as the model's own template prints it. Throws `invalid-message` or `invalid-tool`. */
  render(request: RenderRequest): RenderedPrompt;
  /** A streaming parser for one answer to such a prompt. */
  parser(options?: ParserOptions): OutputParser;
  /** Parses a finished answer. */
  parse(text: string, options?: ParserOptions): ParsedOutput;
}

/** The template of a known model, or of a profile of your own. */
export function createChatTemplate(profile: ProfileName | Profile = 'mimo-v2-flash'): ChatTemplate {
  const chosen = typeof profile === 'string' ? profiles[profile] : profile;
  if (chosen === undefined) {
    throw new MimoError('invalid-argument', `There is no profile ${String(profile)}.`, {
      hint: `Known profiles: ${Object.keys(profiles).join(', ')}.`,
    });
  }
  return {
    profile: chosen,
    stopTokens: chosen.stopTokens,
    render: (request) => (chosen.layout ?? renderPrompt)(chosen, request),
    parser: (options) => createParser({ calls: chosen.calls, ...options }),
    parse: (text, options) => parse(text, { calls: chosen.calls, ...options }),
  };
}
