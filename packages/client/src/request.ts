// ChatRequest → body of a chat completion, in the spelling of a preset.
import { type ChatRequest, type Message, MimoError, type Sampling, type ToolChoice } from '@mimokit/protocol';
import { type ChatCompletionToolChoice, toOpenAIMessages, toOpenAITools } from '@mimokit/protocol/wire';
import { sendableArguments } from './arguments.ts';
import type { Preset } from './presets.ts';
import { spellReasoning } from './reasoning.ts';

export interface RequestContext {
  preset: Preset;
  model: string;
  stream: boolean;
}

/** Throws `invalid-argument` for what the server does not know, instead of leaving it out. */
export function buildRequest(request: ChatRequest, context: RequestContext): Record<string, unknown> {
  const { preset } = context;
  const messages = toOpenAIMessages(request.messages.map(withSendableArguments));
  const body: Record<string, unknown> = {
    model: context.model,
    messages: messages.map((message) => spellReasoning(message, preset.reasoningField)),
    stream: context.stream,
  };
  if (context.stream) body['stream_options'] = { include_usage: true };
  if (request.tools && request.tools.length > 0) {
    body['tools'] = toOpenAITools(request.tools);
    if (request.toolChoice !== undefined) body['tool_choice'] = wireToolChoice(request.toolChoice);
  }
  if (request.thinking !== undefined) {
    if (preset.thinking === 'thinking-type') body['thinking'] = { type: request.thinking ? 'enabled' : 'disabled' };
    else body['chat_template_kwargs'] = { enable_thinking: request.thinking };
  }
  if (request.maxTokens !== undefined) body[preset.maxTokensField] = request.maxTokens;
  if (request.stop && request.stop.length > 0) {
    if (preset.maxStops !== undefined && request.stop.length > preset.maxStops) {
      throw unknownTo(preset, `${request.stop.length} stop texts`, `Send at most ${preset.maxStops}.`, 'stop');
    }
    body['stop'] = [...request.stop];
  }
  return { ...body, ...samplingFields(request, preset) };
}

/** Sampling, seed and mtp in a preset's spelling. Throws `invalid-argument` for what the server does not know. */
export function samplingFields(request: ChatRequest, preset: Preset): Record<string, unknown> {
  const body: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(request.sampling ?? {})) {
    if (value === undefined) continue;
    body[samplingField(key, preset)] = value;
  }
  if (request.seed !== undefined) {
    if (!preset.seed) throw unknownTo(preset, 'seed', 'Leave it out.', 'seed');
    body['seed'] = request.seed;
  }
  if (request.mtp === false && preset.mtp) body['mtp'] = false;
  return body;
}

function samplingField(key: string, preset: Preset): string {
  const fields: Readonly<Record<string, string | undefined>> = preset.sampling satisfies Partial<
    Record<keyof Sampling, string>
  >;
  const field = fields[key];
  if (field === undefined)
    throw unknownTo(preset, `sampling.${key}`, 'Leave it out, or use a server that has it.', key);
  return field;
}

function unknownTo(preset: Preset, what: string, hint: string, field: string): MimoError {
  return new MimoError('invalid-argument', `The ${preset.name} server does not take ${what}.`, { hint, field });
}

function wireToolChoice(choice: ToolChoice): ChatCompletionToolChoice {
  return typeof choice === 'string' ? choice : { type: 'function', function: { name: choice.name } };
}

function withSendableArguments(message: Message): Message {
  if (message.role !== 'assistant' || !message.toolCalls) return message;
  return {
    ...message,
    toolCalls: message.toolCalls.map((call) => ({ ...call, arguments: sendableArguments(call.arguments) })),
  };
}
