// Further models of the family. What no public template could confirm is said here, and none of it reaches those who only use
// the main profiles.
import { jsonCalls } from './json-calls.ts';
import { type Profile, profiles } from './profiles.ts';
import { renderChatml } from './render-chatml.ts';

/** MiMo-V2.6: V2.5's template with nothing between the tags of a call, as its engines' parsers describe it. Its text is not public. */
export const mimoV26: Profile = { ...profiles['mimo-v2.5'], name: 'mimo-v2.6', callGap: '' };

/** MiMo-7B and MiMo-VL: Qwen2.5's layout with MiMo's system text, JSON calls; the model may think on its own. */
export const mimo7b: Profile = {
  ...profiles['mimo-v2-flash'],
  name: 'mimo-7b',
  thinking: true,
  defaultSystem: 'You are MiMo, an AI assistant developed by Xiaomi.',
  calls: jsonCalls,
  layout: renderChatml,
};

/** MiMo-V2-Flash-Base: a layout like Qwen2.5's (its published conversions begin so); it ends at `<|endoftext|>`. */
export const mimoV2FlashBase: Profile = { ...mimo7b, name: 'mimo-v2-flash-base', stopTokens: ['<|endoftext|>'] };
