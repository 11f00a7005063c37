// Table of contents.
export { type ChatTemplate, createChatTemplate } from './chat-template.ts';
export type { CallGrammar } from './call-grammar.ts';
export { createParser, type OutputParser, parse, type ParsedOutput, type ParserOptions } from './parse.ts';
export { type Profile, type ProfileName, profiles } from './profiles.ts';
export { mimo7b, mimoV2FlashBase, mimoV26 } from './more-profiles.ts';
export { type LiteralSpan, type Span } from './prompt-writer.ts';
export { type RenderedPrompt, type RenderRequest } from './render.ts';
export { type RescuePolicy } from './rescue.ts';
export { tagCalls } from './tag-calls.ts';
export { jsonCalls } from './json-calls.ts';
export {
  type PromptLanguage,
  samplingPresets,
  systemPrompt,
  type SystemPromptOptions,
  systemPrompts,
} from './presets.ts';
export { createRepetitionGuard, type Repetition, type RepetitionGuard, type RepetitionOptions } from './repetition.ts';
