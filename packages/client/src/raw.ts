// Raw mode: prompt out, text in. We render the prompt and parse the answer, so reasoning and tool calls work on a server
// that knows nothing of MiMo. Over `/completions`; raw-content.ts does the same for chat models that answer with raw text.
import { type ChatTemplate, createChatTemplate, type RenderedPrompt } from '@mimokit/chat-template';
import { type ChatModel, type ChatRequest, MimoError, type Tool } from '@mimokit/protocol';
import type { Tokenizer } from '@mimokit/tokenizer';
import { createHttpModel, type HttpOptions } from './http-model.ts';
import type { Preset } from './presets.ts';
import { createRawReader } from './raw-reader.ts';
import { samplingFields, stopTexts } from './request.ts';

export { parseRawContent, type RawContentOptions } from './raw-content.ts';

export interface RawClientOptions extends HttpOptions {
  /** The model's template. Default: MiMo-V2-Flash's. */
  template?: ChatTemplate;
  /**
   * The model's tokenizer, for example `await loadMimoTokenizer()`. With it prompts are sent as ids, in which no text of a
   * message can be a control token, and reasoning tokens are counted. Without it prompts are text, and a message that
   * spells a control token is refused.
   */
  tokenizer?: Tokenizer;
  /** Tokens of an answer when the request does not say. Default 8,192; servers' own default for this route is 16. */
  maxTokens?: number;
}

/**
 * A chat model over `/completions` of any engine. Errors are those of createClient; besides, `invalid-message` and
 * `invalid-tool` for what the template cannot print, and `invalid-argument` for a forced call while thinking.
 */
export function createRawClient(options: RawClientOptions): ChatModel {
  const template = options.template ?? createChatTemplate();
  const { tokenizer, maxTokens = 8192 } = options;
  const stopIds = template.stopTokens.flatMap((token) => tokenizer?.specialTokens.get(token) ?? []);
  return createHttpModel(options, {
    path: '/completions',
    open(request, { preset, stream, limits }) {
      const dialect = dialectOf(preset);
      const prompt = buildPrompt(request, template);
      const sendsIds = tokenizer !== undefined && dialect.promptIds;
      const sendsStopIds = dialect.stopIdsField !== undefined && stopIds.length > 0;
      // As text too only where ids do not go: engines hold text back that may begin a stop text. The caller's come first.
      const stop = [...stopTexts(request, preset), ...(sendsStopIds ? [] : template.stopTokens)];
      if (!sendsIds) refuseControlText(prompt, template.stopTokens);
      const body: Record<string, unknown> = {
        model: options.model,
        prompt: sendsIds ? Array.from(tokenizer.encode(prompt.text, { literal: prompt.literal })) : prompt.text,
        stream,
        max_tokens: request.maxTokens ?? maxTokens,
        ...samplingFields(request, preset),
        ...dialect.fields,
      };
      if (stop.length > 0) body['stop'] = stop.slice(0, preset.maxStops);
      if (stream) body['stream_options'] = { include_usage: true };
      if (dialect.stopIdsField !== undefined && sendsStopIds) body[dialect.stopIdsField] = stopIds;
      const parser = template.parser({ output: prompt.output, tools: prompt.tools });
      const reader = createRawReader({
        parser,
        prefix: prompt.prefix,
        stopTokens: template.stopTokens,
        maxChars: limits.answerChars,
        countTokens: tokenizer ? (text) => tokenizer.count(text) : undefined,
      });
      return { body, reader };
    },
  });
}

interface RawPrompt extends RenderedPrompt {
  /** The tools the model sees. */
  tools: readonly Tool[];
  /** What was written for the model, part of its answer. */
  prefix: string;
}

function buildPrompt(request: ChatRequest, template: ChatTemplate): RawPrompt {
  const { messages, thinking, keepAllReasoning, toolChoice } = request;
  // Tools the model does not see cannot be called.
  const tools = toolChoice === 'none' ? [] : (request.tools ?? []);
  const rendered = template.render({ messages, tools, thinking, keepAllReasoning });
  const forced = forcedTool(request, template, rendered);
  if (forced === undefined) return { ...rendered, tools, prefix: '' };
  const prefix = forced.name === undefined ? callOpening : `${callOpening}${forced.name}>\n`;
  const start = rendered.text.length + callOpening.length;
  // A name is the caller's text: what looks like a control token in it is none.
  const named = { start, end: start + (forced.name?.length ?? 0), message: -1, field: 'tool' } as const;
  const literal = forced.name === undefined ? rendered.literal : [...rendered.literal, named];
  return { ...rendered, text: rendered.text + prefix, literal, tools, prefix };
}

/** How a call begins. Written for the model, it can only go on with it. */
const callOpening = '<tool_call>\n<function=';

/** The tool that must be called, without a name when the model has the choice; undefined when nothing is forced. */
function forcedTool(
  { toolChoice, tools = [] }: ChatRequest,
  template: ChatTemplate,
  prompt: RenderedPrompt,
): { name?: string } | undefined {
  if (toolChoice === undefined || toolChoice === 'auto' || toolChoice === 'none') return undefined;
  const [only, ...others] = tools.filter((tool) => toolChoice === 'required' || tool.name === toolChoice.name);
  if (only === undefined) {
    const wish = toolChoice === 'required' ? 'a call' : toolChoice.name;
    throw new MimoError('invalid-argument', `toolChoice asks for ${wish}, which is not among the tools.`, {
      hint: 'Pass the tool, or leave toolChoice out.',
      field: 'toolChoice',
    });
  }
  if (prompt.output !== 'content') {
    throw new MimoError('invalid-argument', 'A call cannot be forced in raw mode while the model thinks first.', {
      hint: 'Send thinking: false with a forced toolChoice.',
      field: 'toolChoice',
    });
  }
  if (template.profile.calls.name !== 'tags') {
    throw new MimoError('invalid-argument', `Calls written as ${template.profile.calls.name} cannot be forced.`, {
      hint: "Use toolChoice 'auto'.",
      field: 'toolChoice',
    });
  }
  return others.length === 0 ? { name: only.name } : {};
}

/** Sent as text, `<|im_end|>` in a message would end its turn: whoever wrote it could speak as the system. */
function refuseControlText({ text, literal }: RenderedPrompt, stopTokens: readonly string[]): void {
  const tokens = ['<|im_start|>', ...stopTokens];
  for (const { start, end, message, field } of literal) {
    const written = text.slice(start, end);
    const token = tokens.find((one) => written.includes(one));
    if (token === undefined) continue;
    const where = message < 0 ? 'The tools or the system text' : `messages[${message}].${field}`;
    throw new MimoError('invalid-message', `${where} spells the control token ${token}.`, {
      hint: "Pass tokenizer, for example await loadMimoTokenizer() of '@mimokit/tokenizer/mimo': then it is only text.",
      message,
      token,
    });
  }
}

function dialectOf(preset: Preset): NonNullable<Preset['completions']> {
  if (preset.completions) return preset.completions;
  throw new MimoError('invalid-argument', `The ${preset.name} server has no text completions.`, {
    hint: 'Use createClient, or parseRawContent over it when answers come unparsed.',
    field: 'preset',
  });
}
