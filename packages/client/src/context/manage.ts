// manageContext: a ChatModel whose prompts never exceed a budget, over any ChatModel. Archives every message, lets a policy
// shorten what is sent, checks the result. What is cut and how belongs to the policies.
import type { ChatTemplate } from '@mimokit/chat-template';
import { type ChatModel, type ChatRequest, type Message, MimoError, type StreamEvent } from '@mimokit/protocol';
import type { Tokenizer } from '@mimokit/tokenizer';
import { createAnswerStream, type FinishEvent } from '../answer-stream.ts';
import type { RunnableTool } from '../tool.ts';
import { type Archive, createArchive, searchToolName } from './archive.ts';
import { archiveTools } from './archive-tools.ts';
import { createMeasure } from './measure.ts';
import type { ContextPolicy, Cut } from './policy.ts';

export interface ContextOptions {
  policy: ContextPolicy;
  /** Most tokens of prompt and answer together: the model's context, or less. */
  budgetTokens: number;
  tokenizer: Tokenizer;
  /** Default: MiMo-V2-Flash's. */
  template?: ChatTemplate;
  /** Tokens of an answer when the request does not say. Default: a quarter of the budget, at most 8,192. */
  answerTokens?: number;
  /** Where the full history goes. Default: a new one, in memory. */
  archive?: Archive;
  /** Most tokens of a result of the archive tools. Default: an eighth of the budget, at most 1,024. */
  resultTokens?: number;
  onCut?: (notice: CutNotice) => void;
}

export interface CutNotice {
  policy: string;
  cuts: readonly Cut[];
  /** Tokens of the whole conversation, and of the prompt that was sent. */
  fullTokens: number;
  sentTokens: number;
}

/** One conversation with one model. */
export interface ManagedModel extends ChatModel {
  /** `search_archive` and `read_archive`: add them to the tools of the loop. None for a policy that cuts nothing. */
  readonly tools: readonly RunnableTool[];
  readonly archive: Archive;
}

/**
 * The model under a budget. Requests bring the whole conversation, as runTools does; the model is sent what the policy makes
 * of it. Throws `context-overflow` with the figures instead of sending too much. Tokens are counted by this tokenizer and
 * template: a server with another template may count a few more.
 */
export function manageContext(model: ChatModel, options: ContextOptions): ManagedModel {
  const { policy, budgetTokens, tokenizer, template, archive = createArchive() } = options;
  const answerTokens = options.answerTokens ?? Math.min(8192, Math.floor(budgetTokens / 4));
  const resultTokens = options.resultTokens ?? Math.min(1024, Math.floor(budgetTokens / 8));
  if (!(answerTokens >= 1) || !(budgetTokens > answerTokens)) {
    throw new MimoError(
      'invalid-argument',
      `budgetTokens is ${budgetTokens}; it must exceed answerTokens, ${answerTokens}.`,
      {
        hint: "Use the model's context length, or what you want to pay for.",
        field: 'budgetTokens',
      },
    );
  }

  async function fit(request: ChatRequest, maxTokens: number, signal: AbortSignal): Promise<readonly Message[]> {
    const { messages, tools = [] } = request;
    const known = archive.sync(messages);
    const measure = createMeasure(request, tokenizer, template);
    const limitTokens = budgetTokens - maxTokens;
    const canSearch = policy.cuts && tools.some(({ name }) => name === searchToolName);
    const fitted = await policy.fit({ messages, known, limitTokens, budgetTokens, measure, model, canSearch, signal });
    const sentTokens = measure.prompt(fitted.messages);
    if (sentTokens > limitTokens) {
      throw new MimoError(
        'context-overflow',
        `The prompt takes ${sentTokens} tokens; with ${maxTokens} for the answer the budget of ${budgetTokens} leaves ${limitTokens}.`,
        {
          hint:
            policy.name === 'none'
              ? 'Use discardToolResults or summariseAndArchive, or raise budgetTokens.'
              : 'System text, tools and the last messages alone are too long: shorten them, lower maxTokens or raise budgetTokens.',
          policy: policy.name,
          promptTokens: sentTokens,
          limitTokens,
          budgetTokens,
        },
      );
    }
    if (fitted.cuts.length > 0) {
      const fullTokens = measure.prompt(messages);
      options.onCut?.({ policy: policy.name, cuts: fitted.cuts, fullTokens, sentTokens });
    }
    return fitted.messages;
  }

  async function* run(
    request: ChatRequest,
    left: AbortSignal,
    settle: (finish: FinishEvent) => void,
  ): AsyncGenerator<StreamEvent, void> {
    const signal = request.signal ? AbortSignal.any([request.signal, left]) : left;
    const maxTokens = request.maxTokens ?? answerTokens;
    const messages = await fit(request, maxTokens, signal);
    for await (const event of model.chat({ ...request, messages, maxTokens, signal })) {
      if (event.type === 'finish') {
        if (event.reason !== 'aborted') archive.sync([...request.messages, event.message]);
        settle(event);
      }
      yield event;
    }
  }

  return {
    modelId: model.modelId,
    archive,
    tools: policy.cuts ? archiveTools(archive, { tokenizer, resultTokens }) : [],
    chat: (request) => createAnswerStream((left, settle) => run(request, left, settle)),
  };
}
