// An Anthropic Messages request → ChatRequest. Blocks become the messages that MiMo's template knows; the order is kept.
import {
  type AssistantMessage,
  type ChatRequest,
  type Content,
  jsonGet,
  type JsonValue,
  type MediaPart,
  type Message,
  MimoError,
  type TextPart,
  type Tool,
  type ToolCall,
  type ToolChoice,
  writeJson,
} from '@mimokit/protocol';
import {
  type AnthropicBlock,
  type AnthropicRequest,
  anthropicRequestSchema,
  fromOpenAITools,
} from '@mimokit/protocol/wire';
import { checkCount, checkedBody, type JsonBody } from '../body.ts';
import { refuseConstraints } from '../constraints.ts';
import { badField } from '../http-error.ts';
import type { Limits } from '../limits.ts';
import { checkedToolChoice, maxTokensOf, samplingOf } from '../openai/chat-in.ts';
import { wantsProgress } from '../progress.ts';
import { checkTools } from '../tool-schema.ts';

export interface MessagesIn {
  model: string;
  /** Without what a thread adds. */
  chat: ChatRequest;
  stream: boolean;
  /** `create` and `continue`: the answer is kept under its id. */
  thread: { type: 'create' } | { type: 'continue'; previousId: string } | undefined;
}

/** Throws `invalid-argument`, `invalid-message` or `invalid-tool`, each with its field. */
export function readMessagesRequest({ plain, lossless }: JsonBody, limits: Limits): MessagesIn {
  checkCount(plain, 'messages', limits.messages);
  checkCount(plain, 'tools', limits.tools);
  const body = checkedBody(anthropicRequestSchema, plain);
  refuseConstraints(body);
  const continues = body.thread?.type === 'continue';
  if (body.messages.length === 0 && !continues) throw badField('messages', 'must have at least one message');
  const tools = toolsOf(body, lossless, limits);
  const chat: ChatRequest = { messages: messagesOf(body, lossless) };
  if (chat.messages.at(-1)?.role === 'assistant') {
    throw badField('messages', 'must not end with the assistant', 'Answers cannot be begun for the model.');
  }
  if (tools.length > 0) chat.tools = tools;
  // On a continued thread the tools are the thread's, so the choice is checked against those.
  const choice = toolChoiceOf(body);
  if (choice !== undefined) chat.toolChoice = continues ? choice : checkedToolChoice(choice, tools);
  if (body.thinking) chat.thinking = body.thinking.type !== 'disabled';
  if (typeof body.thinking?.budget_tokens === 'number') chat.thinkingBudget = body.thinking.budget_tokens;
  const maxTokens = maxTokensOf(body.max_tokens, limits, 'max_tokens');
  if (maxTokens !== undefined) chat.maxTokens = maxTokens;
  const sampling = samplingOf(body);
  if (sampling !== undefined) chat.sampling = sampling;
  if (body.stop_sequences && body.stop_sequences.length > 0) chat.stop = body.stop_sequences;
  if (wantsProgress(body) && body.stream === true) chat.wantProgress = true;
  const { thread } = body;
  return {
    model: body.model,
    chat,
    stream: body.stream ?? false,
    thread:
      thread?.type === 'continue'
        ? { type: 'continue', previousId: thread.previous_message_id }
        : (thread ?? undefined),
  };
}

function toolsOf(body: AnthropicRequest, lossless: JsonValue, limits: Limits): Tool[] {
  for (const [index, tool] of (body.tools ?? []).entries()) {
    if (tool.type === undefined || tool.type === null || tool.type === 'custom') continue;
    throw new MimoError('invalid-tool', `tools[${index}] is ${tool.type.slice(0, 64)}: only custom tools are known.`, {
      field: `tools[${index}].type`,
    });
  }
  const written = jsonGet(lossless, 'tools');
  const tools = fromOpenAITools(written ?? null).map((_, index): Tool => {
    const source = Array.isArray(written) ? (written[index] as JsonValue) : null;
    const { name, description } = body.tools![index];
    const tool: Tool = { name };
    if (typeof description === 'string') tool.description = description;
    tool.parameters = jsonGet(source, 'input_schema');
    return tool;
  });
  checkTools(tools, limits, (index) => `tools[${index}].input_schema`);
  return tools;
}

function toolChoiceOf({ tool_choice: choice }: AnthropicRequest): ToolChoice | undefined {
  if (!choice) return undefined;
  if (choice.type === 'any') return 'required';
  if (choice.type !== 'tool') return choice.type;
  if (typeof choice.name !== 'string') throw badField('tool_choice.name', 'is missing');
  return { name: choice.name };
}

function messagesOf(body: AnthropicRequest, lossless: JsonValue): Message[] {
  const messages: Message[] = [];
  if (body.system) {
    const content = typeof body.system === 'string' ? body.system : textOf(body.system, 'system');
    if (content !== '') messages.push({ role: 'system', content });
  }
  const written = jsonGet(lossless, 'messages');
  for (const [index, { role, content }] of body.messages.entries()) {
    const at = `messages[${index}]`;
    if (role === 'assistant') {
      const source = Array.isArray(written) ? jsonGet(written[index], 'content') : undefined;
      messages.push(typeof content === 'string' ? { role, content } : assistantOf(content, source, at));
    } else if (role === 'system') {
      messages.push({ role, content: typeof content === 'string' ? content : textOf(content, at) });
    } else if (typeof content === 'string') messages.push({ role, content });
    else messages.push(...userOf(content, at));
  }
  return messages;
}

/** Tool results are messages of their own here; what stands between them is what the user said. */
function userOf(blocks: readonly AnthropicBlock[], at: string): Message[] {
  const messages: Message[] = [];
  let parts: (TextPart | MediaPart)[] = [];
  const flush = (): void => {
    if (parts.length > 0) messages.push({ role: 'user', content: plainContent(parts) });
    parts = [];
  };
  for (const [index, block] of blocks.entries()) {
    const field = `${at}.content[${index}]`;
    if (block.type !== 'tool_result') {
      parts.push(partOf(block, field));
      continue;
    }
    flush();
    if (block.tool_use_id === undefined) throw wrong(`${field}.tool_use_id`, 'is missing');
    const content = block.content ?? '';
    messages.push({
      role: 'tool',
      toolCallId: block.tool_use_id,
      content:
        typeof content === 'string'
          ? content
          : plainContent(content.map((inner, i) => partOf(inner, `${field}.content[${i}]`))),
    });
  }
  flush();
  return messages;
}

function assistantOf(blocks: readonly AnthropicBlock[], source: unknown, at: string): AssistantMessage {
  const message: AssistantMessage = { role: 'assistant', content: '' };
  const toolCalls: ToolCall[] = [];
  for (const [index, block] of blocks.entries()) {
    const field = `${at}.content[${index}]`;
    if (block.type === 'text') message.content += block.text ?? '';
    else if (block.type === 'thinking') message.reasoning = (message.reasoning ?? '') + (block.thinking ?? '');
    else if (block.type === 'tool_use') {
      if (block.id === undefined || block.name === undefined) throw wrong(field, 'needs id and name');
      const input = Array.isArray(source) ? jsonGet(source[index], 'input') : undefined;
      toolCalls.push({ id: block.id, name: block.name, arguments: writeJson(input ?? {}) });
    } else if (block.type !== 'redacted_thinking')
      throw wrong(`${field}.type`, `${block.type.slice(0, 64)} is not known`);
  }
  if (toolCalls.length > 0) message.toolCalls = toolCalls;
  return message;
}

function partOf(block: AnthropicBlock, field: string): TextPart | MediaPart {
  if (block.type === 'text') return { type: 'text', text: block.text ?? '' };
  if (block.type === 'image') return { ...block, type: 'image' };
  throw wrong(`${field}.type`, `${block.type.slice(0, 64)} is not known`);
}

function textOf(blocks: readonly AnthropicBlock[], at: string): string {
  return blocks
    .map((block, index) => {
      if (block.type === 'text') return block.text ?? '';
      throw wrong(`${at}[${index}].type`, `${block.type.slice(0, 64)} is not text`);
    })
    .join('\n');
}

/** One text is a string: the template prints both the same. */
function plainContent(parts: readonly (TextPart | MediaPart)[]): Content {
  return parts.every((part) => part.type === 'text') ? parts.map((part) => part.text).join('\n') : parts;
}

function wrong(field: string, why: string): MimoError {
  return new MimoError('invalid-message', `${field} ${why}.`, { field });
}
