// A Responses request → ChatRequest. Items that belong to one turn of the model (reasoning, text, calls) become one message.
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
  type ToolChoice,
} from '@mimokit/protocol';
import {
  fromOpenAITools,
  type ResponsesItem,
  type ResponsesPart,
  type ResponsesRequest,
  responsesRequestSchema,
} from '@mimokit/protocol/wire';
import { checkCount, checkedBody, type JsonBody } from '../body.ts';
import { refuseConstraints } from '../constraints.ts';
import { badField } from '../http-error.ts';
import type { Limits } from '../limits.ts';
import { wantsProgress } from '../progress.ts';
import { checkTools } from '../tool-schema.ts';
import { checkedToolChoice, effortOf, maxTokensOf, samplingOf } from './chat-in.ts';

export interface ResponsesIn {
  body: ResponsesRequest;
  /** Without instructions and without what a previous response adds. */
  chat: ChatRequest;
}

/** Throws `invalid-argument`, `invalid-message` or `invalid-tool`, each with its field. */
export function readResponsesRequest({ plain, lossless }: JsonBody, limits: Limits): ResponsesIn {
  checkCount(plain, 'input', limits.messages);
  checkCount(plain, 'tools', limits.tools);
  const body = checkedBody(responsesRequestSchema, plain);
  refuseUnknown(body);
  const chat: ChatRequest = { messages: messagesOf(body) };
  const tools = toolsOf(lossless);
  checkTools(tools, limits, (index) => `tools[${index}].parameters`);
  if (tools.length > 0) chat.tools = tools;
  const choice = toolChoiceOf(body);
  if (choice !== undefined) chat.toolChoice = checkedToolChoice(choice, tools);
  const thinking = effortOf(body.reasoning?.effort, 'reasoning.effort');
  if (thinking !== undefined) chat.thinking = thinking;
  const maxTokens = maxTokensOf(body.max_output_tokens, limits, 'max_output_tokens');
  if (maxTokens !== undefined) chat.maxTokens = maxTokens;
  const sampling = samplingOf(body);
  if (sampling !== undefined) chat.sampling = sampling;
  if (wantsProgress(body) && body.stream === true) chat.wantProgress = true;
  return { body, chat };
}

/** Fields that change the answer and that no model here can follow. */
function refuseUnknown(body: ResponsesRequest): void {
  refuseConstraints(body);
  for (const field of ['conversation', 'prompt']) {
    if (body[field] !== undefined && body[field] !== null) throw badField(field, 'is not supported');
  }
  if (body['background'] === true) throw badField('background', 'is not supported');
}

/** Functions only: hosted tools and free-form ones are not shown to the model, which could not call them. */
function toolsOf(lossless: JsonValue): Tool[] {
  const written = jsonGet(lossless, 'tools');
  if (!Array.isArray(written)) return [];
  const functions = (written as JsonValue[]).filter((tool) => jsonGet(tool, 'type') === 'function');
  return fromOpenAITools(functions).map((full): Tool => {
    const tool: Tool = { name: full.name };
    if (typeof full.description === 'string') tool.description = full.description;
    if (full.parameters !== undefined && full.parameters !== null) tool.parameters = full.parameters;
    return tool;
  });
}

function toolChoiceOf({ tool_choice: choice }: ResponsesRequest): ToolChoice | undefined {
  if (choice === null || choice === undefined) return undefined;
  if (choice === 'auto' || choice === 'none' || choice === 'required') return choice;
  if (typeof choice === 'object' && choice.type === 'function' && typeof choice.name === 'string')
    return { name: choice.name };
  throw badField('tool_choice', "must be 'auto', 'none', 'required' or a function");
}

function messagesOf({ input }: ResponsesRequest): Message[] {
  if (typeof input === 'string') return [{ role: 'user', content: input }];
  const messages: Message[] = [];
  let turn: AssistantMessage | undefined;
  /** The model's turn that an item continues, or a new one. */
  const turnFor = (begins: boolean): AssistantMessage => {
    if (turn === undefined || begins) {
      turn = { role: 'assistant', content: '' };
      messages.push(turn);
    }
    return turn;
  };
  for (const [index, item] of input.entries()) {
    const at = `input[${index}]`;
    const type = item.type ?? 'message';
    if (type === 'reasoning') {
      const begins = turn !== undefined && (turn.content !== '' || turn.toolCalls !== undefined);
      const current = turnFor(begins);
      const text = reasoningOf(item);
      if (text !== '') current.reasoning = (current.reasoning ?? '') + text;
    } else if (type === 'message' && item.role === 'assistant') {
      turnFor(turn?.toolCalls !== undefined).content += textOf(item.content, `${at}.content`);
    } else if (type === 'function_call') {
      if (item.call_id === undefined || item.name === undefined) throw wrong(at, 'needs call_id and name');
      const current = turnFor(false);
      const call = { id: item.call_id, name: item.name, arguments: item.arguments || '{}' };
      current.toolCalls = [...(current.toolCalls ?? []), call];
    } else {
      turn = undefined;
      messages.push(otherMessage(type, item, at));
    }
  }
  return messages;
}

function otherMessage(type: string, item: ResponsesItem, at: string): Message {
  if (type === 'function_call_output') {
    if (item.call_id === undefined) throw wrong(`${at}.call_id`, 'is missing');
    return { role: 'tool', toolCallId: item.call_id, content: contentOf(item.output, `${at}.output`) };
  }
  if (type !== 'message') throw wrong(`${at}.type`, `${type.slice(0, 64)} is not known`);
  const { role } = item;
  if (role !== 'user' && role !== 'system' && role !== 'developer') {
    throw wrong(`${at}.role`, 'must be user, assistant, system or developer');
  }
  return { role, content: contentOf(item.content, `${at}.content`) };
}

/** Reasoning as text where the client has it, else its summary. */
function reasoningOf({ content, summary }: ResponsesItem): string {
  if (typeof content === 'string') return content;
  const parts = content && content.length > 0 ? content : (summary ?? []);
  return parts.map((part) => part.text ?? '').join('');
}

function contentOf(content: ResponsesItem['content'], at: string): Content {
  if (content === null || content === undefined) return '';
  if (typeof content === 'string') return content;
  const parts = content.map((part, index) => partOf(part, `${at}[${index}]`));
  return parts.every((part) => part.type === 'text') ? parts.map((part) => part.text).join('') : parts;
}

function textOf(content: ResponsesItem['content'], at: string): string {
  const whole = contentOf(content, at);
  if (typeof whole === 'string') return whole;
  throw wrong(at, 'must be text in an assistant message');
}

function partOf(part: ResponsesPart, at: string): TextPart | MediaPart {
  if (part.type === 'input_image') return { ...part, type: 'image_url' };
  if (part.text !== undefined) return { type: 'text', text: part.text };
  const refusal = part['refusal'];
  if (part.type === 'refusal' && typeof refusal === 'string') return { type: 'text', text: refusal };
  throw wrong(`${at}.type`, `${part.type.slice(0, 64)} is not known`);
}

function wrong(field: string, why: string): MimoError {
  return new MimoError('invalid-message', `${field} ${why}.`, { field });
}
