// {"ids"|"prompt"|"messages", …} → ids, text, log-probabilities, accept lengths. Lines can be answered side by side.
import { MimoError, type GenerateRequest } from '@mimokit/protocol';
import { fromOpenAIMessages, fromOpenAITools } from '@mimokit/protocol/wire';
import { type DraftPolicy, fixedDraftDepth, type LocalModel, openModel } from '@mimokit/runtime';
import { defineCommand } from 'citty';
import type { z } from 'zod';
import { generateLine, readLosslessLine } from '../fields.ts';
import { runLineFilter } from '../line-filter.ts';
import { modelArgs, modelDirectory, runnerOptions, wholeNumber } from '../model-options.ts';
import { pickRunner } from '../pick-runner.ts';

export const generate = defineCommand({
  meta: {
    name: 'generate',
    description: '{"ids"|"prompt"|"messages",…} → {"ids","text"?,"logprobs","accept_lengths","finish_reason"}',
  },
  args: {
    ...modelArgs,
    batch: { type: 'string', default: '1', valueHint: 'N', description: 'lines answered at the same time' },
    chunk: { type: 'string', valueHint: 'N', description: 'token budget of a step (chunked prefill)' },
    'draft-depth': {
      type: 'string',
      default: 'all',
      valueHint: 'all|auto|N',
      description: 'drafts of a step: all heads, measured (auto: the fastest on this machine), or a number',
    },
    json: { type: 'boolean', default: true, description: 'JSON lines (the only form)' },
  },
  async run({ args }) {
    const { open } = await pickRunner(args.runner);
    const concurrency = wholeNumber('batch', args.batch, 1, 256);
    await using model = await openModel(await modelDirectory(args), {
      runner: open,
      runnerOptions: runnerOptions(args),
      ...draftPolicy(args['draft-depth']),
      ...(args.chunk !== undefined && { tokenBudget: wholeNumber('chunk', args.chunk, 1, 1 << 20) }),
    });
    process.exitCode = await runLineFilter({
      concurrency,
      answer: async (line) => answer(model, readLosslessLine(generateLine, line)),
    });
  },
});

/** A fixed depth unless asked: then accept_lengths depend on the model alone and not on how fast this machine is today. */
function draftPolicy(depth: string): { drafts?: DraftPolicy } {
  if (depth === 'auto') return {};
  return { drafts: fixedDraftDepth(depth === 'all' ? maxHeads : wholeNumber('draft-depth', depth, 0, maxHeads)) };
}

/** More than any model has; the engine asks for no more than the model's own. */
const maxHeads = 15;

async function answer(model: LocalModel, line: z.output<typeof generateLine>): Promise<unknown> {
  const request: GenerateRequest = {
    ids: promptIds(model, line),
    topLogprobs: 1,
    seed: line.seed ?? 0,
    ...(line.max_tokens !== undefined && { maxTokens: line.max_tokens }),
    sampling: { temperature: line.temperature ?? 0, topP: line.top_p ?? 1 },
    ...(line.mtp !== undefined && { mtp: line.mtp }),
    ...(line.ignore_eos !== undefined && { ignoreEos: line.ignore_eos }),
  };
  const ids: number[] = [];
  const logprobs: number[] = [];
  for await (const event of model.generate(request)) {
    if (event.type === 'tokens') {
      ids.push(...event.ids);
      for (const { logprob } of event.logprobs ?? []) logprobs.push(logprob);
    } else if (event.type === 'finish') {
      return {
        ids,
        ...(model.hasTokenizer && { text: model.detokenize(ids) }),
        logprobs,
        accept_lengths: event.usage.acceptLengths ?? [],
        finish_reason: event.reason,
      };
    }
  }
  throw new MimoError('runner-failed', 'The engine ended without a finish event.');
}

function promptIds(model: LocalModel, line: z.output<typeof generateLine>): ArrayLike<number> {
  if (line.ids !== undefined) return line.ids;
  if (!model.hasTokenizer) {
    throw new MimoError('invalid-argument', 'This model has no tokenizer.json: it takes ids only.', {
      hint: 'Send "ids".',
    });
  }
  if (line.prompt !== undefined) return model.tokenize(line.prompt);
  return model.render({
    messages: fromOpenAIMessages(line.messages),
    ...(line.tools != null && { tools: fromOpenAITools(line.tools) }),
    ...(line.thinking !== undefined && { thinking: line.thinking }),
  }).ids;
}
