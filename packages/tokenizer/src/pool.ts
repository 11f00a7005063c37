// What @mimokit/tokenizer/pool offers: encoding on worker threads, for servers. Node only; the other entries know nothing of it.
export type { PoolVocabulary } from './encode-messages.ts';
export { type EncodePool, type EncodePoolOptions, openEncodePool, type PoolEncodeOptions } from './encode-pool.ts';
