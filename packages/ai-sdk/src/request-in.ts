// The SDK's call options → ChatRequest.
import type { LanguageModelV4CallOptions, SharedV4Warning } from '@ai-sdk/provider';
import {
  type ChatRequest,
  leanSchema,
  type Message,
  type Sampling,
  type Tool,
  type ToolChoice,
} from '@mimokit/protocol';
import { ownOptions } from './metadata.ts';
import { readPrompt } from './prompt-in.ts';

/** What the SDK has no option for. Also per call, in `providerOptions.mimokit`, which wins. */
export interface ModelSettings {
  /** Whether the model thinks when the call does not say (the SDK's `reasoning` option does). Default: the model's. */
  thinking?: boolean;
  /** Most tokens of reasoning. Local engines only. */
  thinkingBudget?: number;
  minP?: number;
  repetitionPenalty?: number;
  /** MTP self-speculation, on by default. */
  mtp?: boolean;
  /** Keep the reasoning of every past turn in the prompt. Local engines only. */
  keepAllReasoning?: boolean;
  /** Cache tenant. Local engines only. */
  namespace?: string;
}

export interface ReadRequest {
  request: ChatRequest;
  warnings: SharedV4Warning[];
}

export function readRequest(options: LanguageModelV4CallOptions, defaults: ModelSettings): ReadRequest {
  const warnings: SharedV4Warning[] = [];
  const own: ModelSettings = { ...defaults, ...ownOptions(options.providerOptions) };
  const messages = readPrompt(options.prompt, warnings);
  const request: ChatRequest = { messages: withFormat(messages, options.responseFormat, warnings) };
  const tools = readTools(options.tools ?? [], warnings);
  if (tools.length > 0) request.tools = tools;
  if (options.toolChoice) request.toolChoice = readToolChoice(options.toolChoice);
  const thinking = readThinking(options.reasoning) ?? own.thinking;
  if (thinking !== undefined) request.thinking = thinking;
  const sampling = readSampling(options, own);
  if (Object.keys(sampling).length > 0) request.sampling = sampling;
  const { maxOutputTokens, stopSequences, seed, abortSignal } = options;
  if (maxOutputTokens !== undefined) request.maxTokens = maxOutputTokens;
  if (stopSequences !== undefined && stopSequences.length > 0) request.stop = stopSequences;
  if (seed !== undefined) request.seed = seed;
  if (abortSignal !== undefined) request.signal = abortSignal;
  if (own.thinkingBudget !== undefined) request.thinkingBudget = own.thinkingBudget;
  if (own.mtp !== undefined) request.mtp = own.mtp;
  if (own.keepAllReasoning !== undefined) request.keepAllReasoning = own.keepAllReasoning;
  if (own.namespace !== undefined) request.namespace = own.namespace;
  return { request, warnings };
}

function readSampling(options: LanguageModelV4CallOptions, own: ModelSettings): Partial<Sampling> {
  const { temperature, topP, topK, frequencyPenalty, presencePenalty } = options;
  const { minP, repetitionPenalty } = own;
  const all = { temperature, topP, topK, minP, repetitionPenalty, frequencyPenalty, presencePenalty };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}

function readThinking(effort: LanguageModelV4CallOptions['reasoning']): boolean | undefined {
  return effort === undefined || effort === 'provider-default' ? undefined : effort !== 'none';
}

function readTools(tools: NonNullable<LanguageModelV4CallOptions['tools']>, warnings: SharedV4Warning[]): Tool[] {
  return tools.flatMap((tool): Tool[] => {
    if (tool.type !== 'function') {
      warnings.push({
        type: 'unsupported',
        feature: `provider tool ${tool.id}`,
        details: 'The model is not shown it.',
      });
      return [];
    }
    const { name, description, inputSchema } = tool;
    return [{ name, ...(description === undefined ? {} : { description }), parameters: leanSchema(inputSchema) }];
  });
}

function readToolChoice(choice: NonNullable<LanguageModelV4CallOptions['toolChoice']>): ToolChoice {
  return choice.type === 'tool' ? { name: choice.toolName } : choice.type;
}

/** JSON is asked for in words, at the end of the system text: nothing forces the model to obey. */
function withFormat(
  messages: Message[],
  format: LanguageModelV4CallOptions['responseFormat'],
  warnings: SharedV4Warning[],
): Message[] {
  if (format?.type !== 'json') return messages;
  warnings.push({ type: 'compatibility', feature: 'responseFormat', details: 'JSON is asked for in the system text.' });
  const schema =
    format.schema === undefined ? '' : ` that fits this JSON Schema: ${JSON.stringify(leanSchema(format.schema))}`;
  const order = `Answer with one JSON value${schema}. Write the JSON only, without a code fence.`;
  const [first, ...rest] = messages;
  if (first?.role !== 'system' || typeof first.content !== 'string')
    return [{ role: 'system', content: order }, ...messages];
  return [{ role: 'system', content: `${first.content}\n\n${order}` }, ...rest];
}
