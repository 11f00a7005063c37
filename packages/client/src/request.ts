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
    Object.assign(body, thinkingField(request.thinking, preset));
  }
  if (request.maxTokens !== undefined) body[preset.maxTokensField] = request.maxTokens;
  if (context.stream && request.wantProgress === true && preset.progress === true) body['return_progress'] = true;
  const stop = stopTexts(request, preset);
  if (stop.length > 0) body['stop'] = stop;
  return { ...body, ...samplingFields(request, preset) };
}

/** Throws `invalid-argument` for more than the server takes. */
export function stopTexts({ stop = [] }: ChatRequest, preset: Preset): string[] {
  if (stop.length <= (preset.maxStops ?? Infinity)) return [...stop];
  throw unknownTo(preset, `${stop.length} stop texts`, `Send at most ${preset.maxStops}.`, 'stop');
}

function thinkingField(isOn: boolean, preset: Preset): Record<string, unknown> {
  switch (preset.thinking) {
    case 'thinking-type':
      return { thinking: { type: isOn ? 'enabled' : 'disabled' } };
    case 'chat-template-kwargs':
      return { chat_template_kwargs: { enable_thinking: isOn } };
    case 'reasoning-effort':
      return { reasoning_effort: isOn ? 'medium' : 'none' };
  }
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
