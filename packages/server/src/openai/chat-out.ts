// Answer events → chat completion chunks, or one completion. Frames are put together from parts that are written once a stream.
import type { AssistantMessage, FinishReason, TextLogprob, Usage } from '@mimokit/protocol';
import { type ChatCompletionUsage, toOpenAIAssistant } from '@mimokit/protocol/wire';
import type { AnswerEvent } from '../answers.ts';
import { ProgressClock } from '../progress.ts';

/** Which names an answer's reasoning goes by: MiMo's and SGLang's, vLLM's and OpenRouter's, or both. */
export type ReasoningField = 'reasoning_content' | 'reasoning' | 'both';

export interface ChatOutContext {
  id: string;
  model: string;
  created: number;
  choices: number;
  includeUsage: boolean;
  reasoningField: ReasoningField;
  topLogprobs: number | undefined;
  onMessage: (message: AssistantMessage) => void;
}

/** `data:` frames up to and with `[DONE]`. A call is announced with index, id, type and full name; arguments follow as they grow. */
export async function* chatFrames(
  events: AsyncIterable<AnswerEvent>,
  context: ChatOutContext,
): AsyncGenerator<string, void> {
  const { id, model, created, choices, includeUsage, reasoningField } = context;
  const base = { id, object: 'chat.completion.chunk', created, model };
  const head = `data: ${JSON.stringify(base).slice(0, -1)},"choices":[{"index":`;
  const end = `,"finish_reason":null}]${includeUsage ? ',"usage":null' : ''}}\n\n`;
  const tail = `,"logprobs":null${end}`;
  const calls = Array.from({ length: choices }, () => new Map<string, number>());
  const usages: Usage[] = [];
  const clock = new ProgressClock();
  for (let choice = 0; choice < choices; choice++)
    yield `${head}${choice},"delta":{"role":"assistant","content":""}${tail}`;
  for await (const { choice, event } of events) {
    const open = `${head}${choice},"delta":{`;
    if (event.type === 'prompt-progress') {
      const progress = { index: choice, delta: {}, logprobs: null, finish_reason: null };
      yield `data: ${JSON.stringify({ ...base, choices: [progress], prompt_progress: clock.wire(event) })}\n\n`;
    } else if (event.type === 'text-delta') {
      const content = `${open}"content":${JSON.stringify(event.text)}}`;
      if (event.logprobs === undefined || context.topLogprobs === undefined) yield content + tail;
      else yield `${content},"logprobs":${JSON.stringify(logprobsOf(event.logprobs, context.topLogprobs))}${end}`;
    } else if (event.type === 'reasoning-delta') {
      yield `${open}${reasoningMembers(JSON.stringify(event.text), reasoningField)}}${tail}`;
    } else if (event.type === 'tool-input-cancelled') {
      // The call that was announced cannot be taken back on this wire; its text is not lost.
      if (event.text !== '') yield `${open}"content":${JSON.stringify(event.text)}}${tail}`;
    } else if (event.type === 'tool-input-start') {
      const index = calls[choice].size;
      calls[choice].set(event.id, index);
      const call = { index, id: event.id, type: 'function', function: { name: event.name, arguments: '' } };
      yield `${open}"tool_calls":[${JSON.stringify(call)}]}${tail}`;
    } else if (event.type === 'tool-input-delta') {
      const index = calls[choice].get(event.id);
      yield `${open}"tool_calls":[{"index":${index},"function":{"arguments":${JSON.stringify(event.text)}}}]}${tail}`;
    } else if (event.type === 'tool-call' && !calls[choice].has(event.call.id)) {
      // A model that does not stream its calls gives each whole.
      const { id: callId, name, arguments: text } = event.call;
      const index = calls[choice].size;
      calls[choice].set(callId, index);
      const call = { index, id: callId, type: 'function', function: { name, arguments: text } };
      yield `${open}"tool_calls":[${JSON.stringify(call)}]}${tail}`;
    } else if (event.type === 'finish') {
      context.onMessage(event.message);
      usages.push(event.usage);
      const last = { index: choice, delta: {}, logprobs: null, finish_reason: finishReason(event.reason) };
      yield `data: ${JSON.stringify({ ...base, choices: [last], ...(includeUsage ? { usage: null } : {}) })}\n\n`;
    }
  }
  if (includeUsage) yield `data: ${JSON.stringify({ ...base, choices: [], usage: usageOf(usages) })}\n\n`;
  yield 'data: [DONE]\n\n';
}

/** The completion in one piece. */
export async function chatCompletion(
  events: AsyncIterable<AnswerEvent>,
  context: ChatOutContext,
): Promise<Record<string, unknown>> {
  const { id, model, created, reasoningField } = context;
  const choices: Record<string, unknown>[] = [];
  const usages: Usage[] = [];
  const logprobs: TextLogprob[][] = Array.from({ length: context.choices }, () => []);
  for await (const { choice, event } of events) {
    if (event.type === 'text-delta' && event.logprobs !== undefined) logprobs[choice].push(...event.logprobs);
    if (event.type !== 'finish') continue;
    context.onMessage(event.message);
    usages.push(event.usage);
    const { tool_calls: calls, reasoning_content: reasoning, ...message } = toOpenAIAssistant(event.message);
    choices[choice] = {
      index: choice,
      message: {
        ...message,
        refusal: null,
        ...reasoningObject(reasoning, reasoningField),
        ...(calls.length > 0 ? { tool_calls: calls } : {}),
      },
      logprobs: context.topLogprobs === undefined ? null : logprobsOf(logprobs[choice], context.topLogprobs),
      finish_reason: finishReason(event.reason),
    };
  }
  return { id, object: 'chat.completion', created, model, choices, usage: usageOf(usages) };
}

/** Of the text only: what stands between tags and in calls has none. */
function logprobsOf(list: readonly TextLogprob[], top: number): Record<string, unknown> {
  const entry = (text: string, logprob: number): Record<string, unknown> => ({
    token: text,
    logprob,
    bytes: [...new TextEncoder().encode(text)],
  });
  const content = list.map(({ text, logprob, rivals }) => ({
    ...entry(text, logprob),
    top_logprobs: rivals.slice(0, top).map((rival) => entry(rival.text, rival.logprob)),
  }));
  return { content, refusal: null };
}

function reasoningMembers(text: string, field: ReasoningField): string {
  return field === 'both' ? `"reasoning_content":${text},"reasoning":${text}` : `"${field}":${text}`;
}

function reasoningObject(reasoning: string | null, field: ReasoningField): Record<string, string | null> {
  return field === 'both' ? { reasoning_content: reasoning, reasoning } : { [field]: reasoning };
}

const finishReasons: Readonly<Record<FinishReason, string>> = {
  stop: 'stop',
  length: 'length',
  'tool-calls': 'tool_calls',
  'content-filter': 'content_filter',
  aborted: 'stop',
  error: 'stop',
  other: 'stop',
};

function finishReason(reason: FinishReason): string {
  return finishReasons[reason];
}

/** The prompt is counted once, however many answers there are. */
export function usageOf(usages: readonly Usage[]): ChatCompletionUsage {
  const sum = (of: (usage: Usage) => number): number => usages.reduce((total, usage) => total + of(usage), 0);
  const first = usages[0];
  const promptTokens = first?.promptTokens ?? 0;
  const completionTokens = sum((usage) => usage.completionTokens);
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
    prompt_tokens_details: { cached_tokens: first?.cachedTokens ?? 0 },
    completion_tokens_details: {
      reasoning_tokens: sum((usage) => usage.reasoningTokens),
      accepted_prediction_tokens: sum(({ acceptLengths = [] }) =>
        acceptLengths.reduce((total, length) => total + length - 1, 0),
      ),
    },
  };
}
