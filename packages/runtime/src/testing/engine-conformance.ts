// What every engine must do, whatever its scheduler, draft policy or runner: checks without a test framework. Each throws an
// Error that names what differs: `for (const law of engineLaws(open)) test(law.name, law.check)`.
import { type GenerateRequest, isMimoError, type ModelRunner } from '@mimokit/protocol';
import type { Engine } from '../engine.ts';
import { collect, type Collected } from './collect.ts';
import { plainIds } from './plain-run.ts';

export interface EngineUnderTest {
  engine: Engine;
  /** Frees engine and runner. */
  close(): Promise<void>;
}

export interface EngineLawOptions {
  /** A fresh engine with pools for about 200 tokens. Called once or twice a law. */
  open: () => Promise<EngineUnderTest>;
  /** A runner of the same model alone, for the ids that must come out. */
  openPlain: () => Promise<ModelRunner>;
  /** Ids the prompts are made of; default: all of the vocabulary. */
  promptIds?: number;
}

export interface EngineLaw {
  name: string;
  check(): Promise<void>;
}

/** The laws of an engine. */
export function engineLaws(options: EngineLawOptions): EngineLaw[] {
  const law = (name: string, check: (engine: Engine) => Promise<void>): EngineLaw => ({
    name,
    check: async () => {
      const { engine, close } = await options.open();
      try {
        await check(engine);
      } finally {
        await close();
      }
    },
  });
  const promptOf = (engine: Engine, which: number, length: number): number[] => {
    const ids = options.promptIds ?? engine.info.vocabSize;
    return Array.from({ length }, (_, index) => (which * 31 + index * index * 7 + index) % ids);
  };
  const expected = async (request: GenerateRequest): Promise<number[]> => {
    const runner = await options.openPlain();
    try {
      const { ids, maxTokens = 1, sampling, seed, bias } = request;
      const stopIds = request.ignoreEos === true ? { stopIds: [] } : {};
      return await plainIds(runner, {
        ids,
        maxTokens,
        ...(sampling && { sampling }),
        ...(seed !== undefined && { seed }),
        ...(bias && { bias }),
        ...stopIds,
      });
    } finally {
      await runner.dispose();
    }
  };
  const sampled = { sampling: { temperature: 1 }, seed: 11 };
  const everything = {
    sampling: {
      temperature: 1.3,
      topK: 30,
      topP: 0.95,
      minP: 0.01,
      repetitionPenalty: 1.2,
      frequencyPenalty: 0.4,
      presencePenalty: 0.3,
    },
    seed: 12,
    bias: new Map([
      [1, 2],
      [2, -Infinity],
    ]),
  };

  return [
    law('requests together, apart, with and without drafts give the plain ids', async (engine) => {
      const requests: GenerateRequest[] = [];
      for (const [which, length] of [3, 17, 8, 29].entries()) {
        for (const rest of [{}, { mtp: false }, sampled, everything]) {
          requests.push({ ids: promptOf(engine, which, length), maxTokens: 12, ignoreEos: which % 2 === 0, ...rest });
        }
      }
      const answers = await Promise.all(requests.map((request) => collect(engine.generate(request))));
      for (const [index, request] of requests.entries()) {
        const ids = await expected(request);
        same(`request ${index}`, answers[index].ids, ids);
        same(`request ${index}, again and alone`, (await collect(engine.generate(request))).ids, ids);
      }
    }),

    law('usage counts what was emitted', async (engine) => {
      const answer = await collect(engine.generate({ ids: promptOf(engine, 1, 9), maxTokens: 15, ignoreEos: true }));
      const { promptTokens, completionTokens, acceptLengths = [] } = answer.usage;
      same('prompt tokens', promptTokens, 9);
      same('completion tokens', completionTokens, answer.ids.length);
      same('accept lengths', acceptLengths, answer.bursts.slice(1));
      same(
        'their sum',
        acceptLengths.reduce((a, b) => a + b, 0),
        answer.ids.length - 1,
      );
    }),

    law('a continued conversation is taken from the cache and changes nothing', async (engine) => {
      const ids = promptOf(engine, 2, 20);
      const first = await collect(engine.generate({ ids, maxTokens: 8, ignoreEos: true }));
      const next = { ids: [...ids, ...first.ids, ids[0]], maxTokens: 8, ignoreEos: true };
      const second = await collect(engine.generate(next));
      same('ids', second.ids, await expected(next));
      if (second.usage.cachedTokens < 20) throw new Error(`only ${second.usage.cachedTokens} tokens were cached`);
    }),

    law('an aborted or left request frees what it held and disturbs nobody', async (engine) => {
      const request = { ids: promptOf(engine, 3, 12), maxTokens: 30, ignoreEos: true };
      const controller = new AbortController();
      const other = collect(engine.generate({ ...request, ids: promptOf(engine, 4, 12) }));
      const aborted: Promise<Collected> = collect(engine.generate({ ...request, signal: controller.signal }));
      for await (const event of engine.generate(request)) if (event.type === 'tokens') break;
      controller.abort();
      const { reason } = await aborted;
      if (reason !== 'aborted' && reason !== 'length') throw new Error(`the aborted request ended with ${reason}`);
      same('the other request', (await other).ids, await expected({ ...request, ids: promptOf(engine, 4, 12) }));
      // A left request is noticed at the next step.
      await collect(engine.generate({ ids: [0], maxTokens: 1 }));
      const { running, waiting, kv } = engine.stats();
      same(
        'what is left',
        { running, waiting, windows: kv.windowsLive, bytes: kv.bytesLive },
        { running: 0, waiting: 0, windows: 0, bytes: 0 },
      );
    }),

    law('impossible requests are refused with a typed error', async (engine) => {
      const { vocabSize, contextLength } = engine.info;
      const refused: [GenerateRequest, string][] = [
        [{ ids: [] }, 'invalid-argument'],
        [{ ids: [vocabSize] }, 'token-out-of-range'],
        [{ ids: [0], maxTokens: contextLength }, 'context-overflow'],
        [{ ids: [0], maxTokens: 0 }, 'invalid-argument'],
      ];
      for (const [request, code] of refused) {
        const error = await collect(engine.generate(request)).catch((caught: unknown) => caught);
        if (!isMimoError(error)) throw new Error(`expected ${code}, got ${String(error)}`);
        same('code', error.code, code);
      }
    }),

    law('dispose rejects what runs and what comes later', async (engine) => {
      const running = collect(engine.generate({ ids: promptOf(engine, 5, 6), maxTokens: 60, ignoreEos: true }));
      const outcome = running.then(
        () => undefined,
        (error: unknown) => error,
      );
      await engine.dispose();
      const later = await collect(engine.generate({ ids: [0] })).catch((error: unknown) => error);
      for (const error of [await outcome, later]) {
        if (!isMimoError(error, 'runner-disposed')) throw new Error(`expected runner-disposed, got ${String(error)}`);
      }
    }),
  ];
}

function same(what: string, found: unknown, wanted: unknown): void {
  const [left, right] = [JSON.stringify(found), JSON.stringify(wanted)];
  if (left !== right) throw new Error(`${what}: ${left}, expected ${right}`);
}
