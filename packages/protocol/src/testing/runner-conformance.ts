// The laws of docs/step.md as checks of any ModelRunner. Each throws an Error that names what differs; a test framework runs
// them one by one: `for (const law of runnerLaws(open, prompts)) test(law.name, law.check)`.
import { isMimoError, type ErrorCode } from '../errors.ts';
import type { Sampling } from '../sampling.ts';
import type { Inspector, ModelRunner, RunnerOptions, StepBatch } from '../step.ts';
import { packRows, type StepRow, type StepRowResult } from './step-rows.ts';
import { type RowOptions, type SequencePlace, StepSequence, stepTogether } from './step-sequence.ts';

export interface RunnerLaw {
  name: string;
  check(): Promise<void>;
}

/** Opens the runner under test. Called once a law; the law disposes it. */
export type OpenRunner = (options: RunnerOptions) => Promise<ModelRunner & Partial<Inspector>>;

const capacity = { blocks: 96, windows: 8, blockTokens: 4 } as const;
const newTokens = 24;
const sampled: Partial<Sampling> = { temperature: 1.3, topP: 0.95, topK: 50, minP: 0.01 };

/** The laws, for a small model and two or three prompts of different lengths from 6 to 60 ids of its vocabulary. */
export function runnerLaws(open: OpenRunner, prompts: readonly (readonly number[])[]): RunnerLaw[] {
  if (prompts.length < 2 || prompts.length > 3) throw new Error('runnerLaws needs two or three prompts');
  const law = (name: string, check: (runner: ModelRunner & Partial<Inspector>) => Promise<void>): RunnerLaw => ({
    name,
    check: async () => {
      const runner = await open(capacity);
      try {
        await check(runner);
      } finally {
        await runner.dispose();
      }
    },
  });
  const longest = [...prompts].sort((a, b) => b.length - a.length)[0];

  return [
    law('drafts change nothing, greedy or sampled', async (runner) => {
      for (const prompt of prompts) {
        for (const options of [{}, { sampling: sampled, seed: 7 }]) {
          const plain = await generate(runner, prompt, { options });
          for (let depth = 1; depth <= runner.maxDraft; depth++) {
            same(`depth ${depth}`, await generate(runner, prompt, { depth, options }), plain);
          }
        }
      }
    }),

    law('the chunk size changes nothing', async (runner) => {
      for (const prompt of prompts) {
        const whole = await generate(runner, prompt, { depth: runner.maxDraft });
        for (const chunk of [1, 3, 7]) {
          const all = { chunk, depth: runner.maxDraft };
          same(`chunk ${chunk}`, await generate(runner, prompt, all), whole);
        }
      }
    }),

    law('drafts are proposed as asked, and equal whatever the chunks', async (runner) => {
      for (const prompt of prompts) {
        const whole = sequence(prompt, 0);
        await prefill(runner, whole, Number.POSITIVE_INFINITY, runner.maxDraft);
        same('number of drafts', whole.drafts.length, runner.maxDraft);
        for (const chunk of [1, 2, 5]) {
          const parts = sequence(prompt, 1);
          await prefill(runner, parts, chunk, runner.maxDraft);
          same(`drafts of chunk ${chunk}`, parts.drafts, whole.drafts);
        }
        for (let depth = 0; depth < runner.maxDraft; depth++) {
          const fewer = sequence(prompt, 2);
          await prefill(runner, fewer, Number.POSITIVE_INFINITY, depth);
          same(`drafts of depth ${depth}`, fewer.drafts, whole.drafts.slice(0, depth));
        }
      }
    }),

    law('right drafts are all accepted, wrong ones leave no trace', async (runner) => {
      if (runner.maxDraft === 0) return;
      const known = await generate(runner, longest, { count: newTokens + runner.maxDraft + 1 });
      const { vocabSize } = runner.info;
      for (const right of [0, 1, runner.maxDraft]) {
        const own = sequence(longest, 1);
        await prefill(runner, own, Number.POSITIVE_INFINITY, 0);
        while (own.emitted.length < newTokens) {
          const at = own.emitted.length;
          const future = known.slice(at, at + runner.maxDraft);
          own.drafts = future.map((id, index) => (index < right ? id : (id + 1) % vocabSize));
          const [result] = await stepTogether(runner, [own], [own.row()]);
          same(`emitted with ${right} right drafts`, result.tokens, known.slice(at, at + right + 1));
        }
      }
    }),

    law('rows do not see each other', async (runner) => {
      const alone: number[][] = [];
      for (const prompt of prompts) alone.push(await generate(runner, prompt, { depth: runner.maxDraft }));
      const many = prompts.map((prompt, index) => sequence(prompt, index));
      const chunks = [5, 2, Number.POSITIVE_INFINITY];
      for (let round = 0; many.some((one) => one.emitted.length < newTokens); round++) {
        // Rows come and go, prompts beside verifies, in changing order.
        const now = many.filter((one, index) => one.emitted.length < newTokens && (round + index) % 3 !== 0);
        if (round % 2 === 1) now.reverse();
        await stepTogether(
          runner,
          now,
          now.map((one, index) => one.row(chunks[(round + index) % 3], (round + index) % (runner.maxDraft + 1))),
        );
      }
      many.forEach((one, index) => same(`row ${index}`, one.emitted.slice(0, newTokens), alone[index]));
    }),

    law('block and window ids, and what they held before, do not matter', async (runner) => {
      const first = await generate(runner, longest, { depth: runner.maxDraft });
      const blocks = Array.from({ length: capacity.blocks }, (_, index) => (index * 29 + 17) % capacity.blocks);
      const place = { window: capacity.windows - 1, blocks };
      await generate(runner, longest.toReversed(), { place, depth: runner.maxDraft });
      same('in other places', await generate(runner, longest, { place, depth: runner.maxDraft }), first);
    }),

    law('a saved window and a copied block resume at the exact committed length', async (runner) => {
      const whole = await generate(runner, longest, { depth: runner.maxDraft });
      const drafts: number[][] = [];
      const unbroken = sequence(longest, 0);
      while (unbroken.emitted.length < newTokens) {
        await stepTogether(runner, [unbroken], [unbroken.row(Number.POSITIVE_INFINITY, runner.maxDraft)]);
        drafts[unbroken.contextLen] = unbroken.drafts;
      }
      for (const cut of [1, 2, 3, 4, 5, longest.length - 1]) {
        // Other contents first, so that what a copy leaves out shows.
        for (const index of [1, 2]) await generate(runner, longest.toReversed(), { index });
        const prefix = sequence(longest, 0);
        await stepTogether(runner, [prefix], [prefix.row(cut, 0, { saveWindow: 5 })]);
        same('committed', prefix.contextLen, cut);
        for (const copyWindow of [5, prefix.place.window]) {
          const [fork, copies] = forkOf(prefix, 1);
          await stepTogether(runner, [fork], [fork.row(2, runner.maxDraft, { copyWindow, ...copies })]);
          await prefill(runner, fork, Number.POSITIVE_INFINITY, runner.maxDraft);
          same(`drafts after resuming at ${cut} from window ${copyWindow}`, fork.drafts, drafts[fork.contextLen]);
          await finish(runner, fork, Number.POSITIVE_INFINITY, runner.maxDraft);
          same(`resumed at ${cut} from window ${copyWindow}`, fork.emitted.slice(0, newTokens), whole);
        }
        // A fork and the row it comes from in one step: copies are made before any row writes.
        const [fork, copies] = forkOf(prefix, 2);
        const rows = [
          prefix.row(3, runner.maxDraft),
          fork.row(2, runner.maxDraft, { copyWindow: prefix.place.window, ...copies }),
        ];
        await stepTogether(runner, [prefix, fork], rows);
        for (const own of [prefix, fork]) {
          await finish(runner, own, Number.POSITIVE_INFINITY, runner.maxDraft);
          same(`forked at ${cut}`, own.emitted.slice(0, newTokens), whole);
        }
      }
    }),

    law('a window saved after a verify stands for the accepted tokens', async (runner) => {
      const whole = await generate(runner, longest, {});
      const own = sequence(longest, 0);
      await prefill(runner, own, Number.POSITIVE_INFINITY, runner.maxDraft);
      for (let round = 0; round < 3; round++)
        await stepTogether(runner, [own], [own.row(Number.POSITIVE_INFINITY, runner.maxDraft, { saveWindow: 4 })]);
      const [fork, copies] = forkOf(own, 1);
      await stepTogether(runner, [fork], [fork.row(1, runner.maxDraft, { copyWindow: 4, ...copies })]);
      same('drafts', fork.drafts.length, runner.maxDraft);
      await finish(runner, fork, Number.POSITIVE_INFINITY, runner.maxDraft);
      const text = fork.tokens.slice(longest.length, longest.length + newTokens);
      same('resumed', text, whole);
    }),

    law('log-probabilities are sorted, belong to their ids and do not depend on drafts', async (runner) => {
      const options = { topLogprobs: 3 };
      const plain = await collect(runner, longest, 0, options);
      const drafted = await collect(runner, longest, runner.maxDraft, options);
      const tokens = plain.flatMap((result) => result.tokens).slice(0, newTokens);
      const logprobs = plain.flatMap((result) => result.logprobs);
      const rivals = plain.flatMap((result) => result.rivals);
      tokens.forEach((id, index) => {
        const [chosen, ...best] = logprobs.slice(index * 4, index * 4 + 4);
        same('greedy id', rivals[index * 3], id);
        same('its log-probability', best[0], chosen);
        if (!(chosen <= 0 && best[0] >= best[1] && best[1] >= best[2]))
          throw new Error(`log-probabilities of token ${index} are not sorted: ${best.join(', ')}`);
      });
      same(
        'with drafts',
        drafted.flatMap((result) => result.logprobs).slice(0, newTokens * 4),
        logprobs.slice(0, newTokens * 4),
      );
      same(
        'rivals with drafts',
        drafted.flatMap((result) => result.rivals).slice(0, newTokens * 3),
        rivals.slice(0, newTokens * 3),
      );
    }),

    law('routes are ascending expert ids and do not depend on chunks', async (runner) => {
      const { moeLayers, topK } = runner.info;
      const whole = await routesOf(runner, longest, Number.POSITIVE_INFINITY);
      same('routes', whole.length, longest.length * moeLayers * topK);
      for (let index = 1; index < whole.length; index++) {
        if (index % topK !== 0 && whole[index] <= whole[index - 1]) throw new Error(`routes do not ascend at ${index}`);
      }
      same('routes in chunks', await routesOf(runner, longest, 3), whole);
    }),

    law('penalties count what a verify emits; bias forces and forbids', async (runner) => {
      const options: RowOptions = { sampling: { repetitionPenalty: 1.2, frequencyPenalty: 0.3, presencePenalty: 0.4 } };
      const plain = await generate(runner, longest, { options });
      same('penalties with drafts', await generate(runner, longest, { options, depth: runner.maxDraft }), plain);
      // Among ids that a bias lifts above all others, penalties decide every time.
      const few: RowOptions = { sampling: { frequencyPenalty: 2 }, bias: [3, 4, 5].map((id) => [id, 1000]) };
      const known = await generate(runner, longest, { options: few, count: newTokens + runner.maxDraft + 1 });
      const own = sequence(longest, 1, few);
      await prefill(runner, own, Number.POSITIVE_INFINITY, 0);
      while (own.emitted.length < newTokens) {
        const at = own.emitted.length;
        own.drafts = known.slice(at, at + runner.maxDraft);
        const [result] = await stepTogether(runner, [own], [own.row()]);
        same('penalised ids of a verify', result.tokens, known.slice(at, at + runner.maxDraft + 1));
      }
      const forced = await generate(runner, longest, { options: { bias: [[3, 1e4]] }, depth: runner.maxDraft });
      same(
        'a forced id',
        forced,
        Array.from({ length: newTokens }, () => 3),
      );
      const [best] = await generate(runner, longest, {});
      const forbidden = await generate(runner, longest, { options: { bias: [[best, -1e4]] } });
      if (forbidden.includes(best)) throw new Error(`the forbidden id ${best} was picked`);
    }),

    {
      name: 'ids from pickableIds on are never picked',
      check: async () => {
        const wide = await open(capacity);
        const pickableIds = Math.max(1, Math.floor(wide.info.vocabSize / 3));
        await wide.dispose();
        const runner = await open({ ...capacity, pickableIds });
        try {
          for (const options of [{}, { sampling: { temperature: 2 }, seed: 1 }]) {
            const ids = await generate(runner, longest, { options, depth: runner.maxDraft });
            if (ids.some((id) => id >= pickableIds))
              throw new Error(`an id of ${pickableIds} or more was picked: ${ids.join(' ')}`);
          }
        } finally {
          await runner.dispose();
        }
      },
    },

    law('an invalid batch is refused before anything is written', async (runner) => {
      const whole = await generate(runner, longest, { depth: runner.maxDraft });
      const own = sequence(longest, 0);
      while (own.emitted.length < newTokens) {
        const row = own.row(Number.POSITIVE_INFINITY, runner.maxDraft);
        for (const [what, code, broken] of brokenBatches(row, runner))
          await refuses(what, code, () => runner.step(broken));
        await stepTogether(runner, [own], [row]);
      }
      same('after refusals', own.emitted.slice(0, newTokens), whole);
    }),

    law('one step at a time; a disposed runner says so', async (runner) => {
      const own = sequence(longest, 0);
      const row = own.row();
      const first = runner.step(packRows([row]));
      let refused = false;
      await runner.step(packRows([sequence(longest, 1).row()])).catch(() => (refused = true));
      same('a second step while one runs', refused, true);
      same('the first one', (await first).tokens.length, 1);
      const last = runner.step(packRows([row]));
      await Promise.all([runner.dispose(), last]);
      await runner.dispose();
      await refuses('a step after dispose', 'runner-disposed', () => runner.step(packRows([row])));
    }),

    law('inspect agrees with step', async (runner) => {
      if (runner.inspect === undefined) return;
      const emitted = await generate(runner, longest, {});
      const { argmax } = await runner.inspect(Int32Array.from([...longest, ...emitted]), ['argmax']);
      same('argmax', Array.from(argmax.data.subarray(longest.length - 1, longest.length - 1 + newTokens)), emitted);
    }),
  ];
}

/** Another sequence with the same ids that resumes where `from` is: shared full blocks, the partly filled one copied. */
function forkOf(from: StepSequence, index: number): [fork: StepSequence, copies: Partial<StepRow>] {
  const fork = sequence(from.tokens, index);
  const full = Math.floor(from.contextLen / capacity.blockTokens);
  const own = blocksOf(index);
  fork.contextLen = from.contextLen;
  fork.place = { window: index, blocks: [...from.place.blocks.slice(0, full), ...own.slice(full)] };
  const isWhole = from.contextLen % capacity.blockTokens === 0;
  return [fork, isWhole ? {} : { copyBlock: [from.place.blocks[full], own[full]] }];
}

interface GenerateOptions {
  /** Ids wanted, default newTokens. */
  count?: number;
  chunk?: number;
  depth?: number;
  options?: RowOptions;
  /** Which window and blocks it takes, default 0. */
  index?: number;
  place?: SequencePlace;
}

function blocksOf(index: number): number[] {
  const each = Math.floor(capacity.blocks / 3);
  return Array.from({ length: each }, (_, block) => (index % 3) * each + block);
}

function sequence(prompt: readonly number[], index: number, options: RowOptions = {}): StepSequence {
  return new StepSequence(prompt, { window: index, blocks: blocksOf(index) }, capacity.blockTokens, options);
}

async function prefill(runner: ModelRunner, own: StepSequence, chunk: number, depth: number): Promise<void> {
  while (own.emitted.length === 0) await stepTogether(runner, [own], [own.row(chunk, depth)]);
}

async function finish(
  runner: ModelRunner,
  own: StepSequence,
  chunk: number,
  depth: number,
  count = newTokens,
): Promise<void> {
  while (own.emitted.length < count) await stepTogether(runner, [own], [own.row(chunk, depth)]);
}

async function generate(
  runner: ModelRunner,
  prompt: readonly number[],
  { chunk = Number.POSITIVE_INFINITY, depth = 0, options = {}, index = 0, place, count = newTokens }: GenerateOptions,
): Promise<number[]> {
  const own = sequence(prompt, index, options);
  if (place !== undefined) own.place = place;
  await finish(runner, own, chunk, depth, count);
  return own.emitted.slice(0, count);
}

async function collect(
  runner: ModelRunner,
  prompt: readonly number[],
  depth: number,
  options: RowOptions,
): Promise<StepRowResult[]> {
  const own = sequence(prompt, 0, options);
  const results: StepRowResult[] = [];
  while (own.emitted.length < newTokens)
    results.push(...(await stepTogether(runner, [own], [own.row(Number.POSITIVE_INFINITY, depth)])));
  return results;
}

async function routesOf(runner: ModelRunner, prompt: readonly number[], chunk: number): Promise<number[]> {
  const own = sequence(prompt, 0, { wantRoutes: true });
  const routes: number[] = [];
  while (own.emitted.length === 0) {
    const [result] = await stepTogether(runner, [own], [own.row(chunk)]);
    routes.push(...result.routes);
  }
  return routes;
}

function brokenBatches(row: StepRow, runner: ModelRunner): [what: string, code: ErrorCode, batch: StepBatch][] {
  const { vocabSize } = runner.info;
  const { blocks, windows } = runner.capacity;
  const other: StepRow = { tokens: [0], contextLen: 0, blocks: [blocks - 1], window: windows - 1 };
  const whole = packRows([row]);
  return [
    [
      'a token over the vocabulary',
      'token-out-of-range',
      packRows([{ ...row, tokens: [vocabSize, ...row.tokens.slice(1)] }]),
    ],
    ['a negative token', 'token-out-of-range', packRows([{ ...row, tokens: [-1, ...row.tokens.slice(1)] }])],
    ['too few blocks', 'batch-invalid', packRows([{ ...row, blocks: row.blocks.slice(0, -1) }])],
    ['an unknown block', 'batch-invalid', packRows([{ ...row, blocks: [...row.blocks.slice(0, -1), blocks] }])],
    ['an unknown window', 'batch-invalid', packRows([{ ...row, window: windows }])],
    ['an unknown window to copy', 'batch-invalid', packRows([{ ...row, copyWindow: windows }])],
    ['an unknown window to save into', 'batch-invalid', packRows([{ ...row, saveWindow: windows }])],
    ['half a block copy', 'batch-invalid', packRows([{ ...row, copyBlock: [0, -1] }])],
    ['a negative context', 'batch-invalid', packRows([{ ...row, contextLen: -1 }])],
    ['only drafts', 'batch-invalid', packRows([{ ...row, draftLen: row.tokens.length }])],
    ['too many drafts wanted', 'batch-invalid', packRows([{ ...row, draftNext: runner.maxDraft + 1 }])],
    ['an empty row', 'batch-invalid', packRows([{ ...row, tokens: [], draftLen: 0 }])],
    ['a window of two rows', 'batch-invalid', packRows([row, { ...other, window: row.window }])],
    ['a block of two rows', 'batch-invalid', packRows([row, { ...other, blocks: row.blocks.slice(-1) }])],
    ['a short list', 'batch-invalid', { ...whole, seeds: new Uint32Array(0) }],
    ['starts that fall', 'batch-invalid', { ...whole, rowStart: Int32Array.from([row.tokens.length, 0]) }],
    [
      'a temperature that is no number',
      'batch-invalid',
      { ...whole, sampling: whole.sampling.map((value, index) => (index === 0 ? Number.NaN : value)) },
    ],
  ];
}

async function refuses(what: string, code: ErrorCode, run: () => Promise<unknown>): Promise<void> {
  try {
    await run();
  } catch (error) {
    if (isMimoError(error, code)) return;
    throw new Error(`${what}: expected ${code}, got ${String(error)}`, { cause: error });
  }
  throw new Error(`${what} was accepted`);
}

function same(what: string, found: unknown, expected: unknown): void {
  const [a, b] = [JSON.stringify(found), JSON.stringify(expected)];
  if (a !== b) throw new Error(`${what}: ${a} differs from ${b}`);
}
