// node-llama-cpp, found at run time: its packages are far too large for a dependency. Only what the bench calls is described here.
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Speaker } from './speaker.ts';

interface Sequence {
  clearHistory(): Promise<void>;
  adaptStateToTokens(tokens: readonly number[]): Promise<void>;
  evaluate(tokens: readonly number[], options: object): AsyncGenerator<number>;
  evaluateWithoutGeneratingNewTokens(tokens: readonly number[]): Promise<void>;
}
interface Model {
  createContext(options: object): Promise<{ getSequence(): Sequence; dispose(): Promise<void> }>;
}
interface Llama {
  loadModel(options: { modelPath: string }): Promise<Model>;
  dispose(): Promise<void>;
}
interface Package {
  getLlama(options: object): Promise<Llama>;
  LlamaLogLevel: { error: unknown };
}

export interface Peer {
  readonly version: string;
  /** The GGUF of that name, in a context of its own. */
  open(file: string, threads: number): Promise<Speaker>;
  dispose(): Promise<void>;
}

/** Prompts up to this long are one batch for it, as they are one chunk for us. */
const contextSize = 2048;

export async function openPeer(directory: string): Promise<Peer> {
  const root = join(directory, 'node_modules', 'node-llama-cpp');
  const { default: info } = (await import(pathToFileURL(join(root, 'package.json')).href, {
    with: { type: 'json' },
  })) as { default: { version: string } };
  const { getLlama, LlamaLogLevel } = (await import(pathToFileURL(join(root, 'dist', 'index.js')).href)) as Package;
  const llama = await getLlama({ gpu: false, build: 'never', maxThreads: 2, logLevel: LlamaLogLevel.error });
  const models = new Map<string, Model>();
  return {
    version: info.version,
    async open(file, threads) {
      const model = models.get(file) ?? (await llama.loadModel({ modelPath: join(directory, file) }));
      models.set(file, model);
      const context = await model.createContext({ contextSize, batchSize: 512, threads });
      return speaker(context.getSequence(), `node-llama-cpp ${file.replace('.gguf', '')}`, threads);
    },
    dispose: () => llama.dispose(),
  };
}

const greedy = { temperature: 0, yieldEogToken: true };

function speaker(sequence: Sequence, name: string, threads: number): Speaker {
  let cached: readonly number[] = [];
  return {
    name,
    threads,
    async prefill(ids) {
      await sequence.clearHistory();
      const from = performance.now();
      await sequence.evaluateWithoutGeneratingNewTokens(ids);
      return performance.now() - from;
    },
    async decode(ids, count) {
      await sequence.clearHistory();
      let from = 0;
      let done = -1;
      // The first id ends the prefill.
      for await (const _ of sequence.evaluate(ids, greedy)) {
        if (++done === 0) from = performance.now();
        if (done === count) break;
      }
      return (performance.now() - from) / count;
    },
    async remember(prefix) {
      await sequence.clearHistory();
      await sequence.evaluateWithoutGeneratingNewTokens(prefix);
      cached = prefix;
    },
    async first(question) {
      await sequence.adaptStateToTokens(cached);
      const from = performance.now();
      for await (const _ of sequence.evaluate(question, greedy)) break;
      return performance.now() - from;
    },
  };
}
