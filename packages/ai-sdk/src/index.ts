// Any ChatModel, local or over HTTP, in the AI SDK.
export { languageModel } from './language-model.ts';
export { createProvider } from './provider.ts';
export type { ModelSettings } from './request-in.ts';
export { languageModelV3 } from './v3.ts';
