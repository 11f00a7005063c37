// What differs between the models of the family, as data: the renderer and the parser have no branches by name.

import type { CallGrammar } from './call-grammar.ts';
import type { RenderedPrompt, RenderRequest } from './render.ts';
import { tagCalls } from './tag-calls.ts';

export interface Profile {
  readonly name: string;
  /** Whether the model may think when the request does not say. */
  readonly thinking: boolean;
  /** Whether past reasoning is kept when the request does not say; otherwise only that after the last user message. */
  readonly keepAllReasoning: boolean;
  /** Placeholders of content parts by kind; null: parts without text vanish. */
  readonly media: Readonly<Record<'image' | 'audio' | 'video', string>> | null;
  /** The system text when the conversation brings none. */
  readonly defaultSystem: string;
  /** Tokens that end an answer. */
  readonly stopTokens: readonly string[];
  /** How calls are written in the output. */
  readonly calls: CallGrammar;
  /** What stands between the tags of a call in past turns: a newline, or nothing. */
  readonly callGap: string;
  /** How turns are laid out; default: MiMo-V2's way. */
  readonly layout?: (profile: Profile, request: RenderRequest) => RenderedPrompt;
}

const flash: Profile = {
  name: 'mimo-v2-flash',
  thinking: false,
  keepAllReasoning: false,
  media: null,
  defaultSystem: 'You are MiMo, a helpful AI assistant engineered by Xiaomi.',
  stopTokens: ['<|im_end|>', '<|endoftext|>'],
  calls: tagCalls,
  callGap: '\n',
};

/** The known models. A profile of your own is one spread away: `{ ...profiles['mimo-v2-flash'], thinking: true }`. */
export const profiles: Readonly<Record<'mimo-v2-flash' | 'mimo-v2.5', Profile>> = {
  'mimo-v2-flash': flash,
  'mimo-v2.5': {
    ...flash,
    name: 'mimo-v2.5',
    thinking: true,
    keepAllReasoning: true,
    media: {
      image: '<|vision_start|><|image_pad|><|vision_end|>',
      audio: '<|mimo_audio_start|><|audio_pad|><|mimo_audio_end|>',
      video: '<|vision_start|><|video_pad|><|vision_end|>',
    },
  },
};

export type ProfileName = keyof typeof profiles;
