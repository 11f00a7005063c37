// OpenAI-style messages and tools ⇄ ours. Plain functions without a schema library, tolerant of what servers and clients
// write (nulls, missing ids, arguments as text or object, values read without loss) and strict about wrong types. Requests,
// chunks and answers as zod schemas live in openai-chat.ts.
import { MimoError } from '../errors.ts';
import { isJsonObject, jsonEntries, jsonGet, type JsonObject, writeJson } from '../json.ts';
import type { AssistantMessage, Content, MediaPart, Message, TextPart, ToolCall } from '../message.ts';
import { type Tool, toolEntries } from '../tool.ts';

export interface OpenAIToolCall {
  id: string;
  type: 'function';
  function: { name: string; arguments: string };
}

/** An assistant message as an answer carries it: every field there, null where there is nothing. */
export interface OpenAIAssistantMessage {
  role: 'assistant';
  content: string | null;
  reasoning_content: string | null;
  tool_calls: OpenAIToolCall[];
}

export interface OpenAIMessage {
  role: string;
  content: Content | null;
  reasoning_content?: string;
  tool_calls?: OpenAIToolCall[];
  tool_call_id?: string;
}

/**
 * Reads OpenAI-style messages. Null or missing content becomes empty, missing arguments become `{}`, an arguments object
 * becomes JSON text with its numbers as written; a role this package does not know passes through. Throws `invalid-message`
 * naming the index and the field.
 */
export function fromOpenAIMessages(messages: unknown): Message[] {
  if (!Array.isArray(messages)) throw wrong('invalid-message', 'messages', 'an array', messages);
  return messages.map((message, index) => fromOpenAIMessage(message, `messages[${index}]`));
}

function fromOpenAIMessage(message: unknown, at: string): Message {
  if (!isJsonObject(message)) throw wrong('invalid-message', at, 'an object', message);
  const role = jsonGet(message, 'role');
  if (typeof role !== 'string') throw wrong('invalid-message', `${at}.role`, 'a string', role);
  const content = contentOf(jsonGet(message, 'content'), `${at}.content`);
  if (role === 'assistant') return assistantOf(message, content, at);
  if (role === 'tool') {
    const id = jsonGet(message, 'tool_call_id');
    return typeof id === 'string' ? { role, content, toolCallId: id } : { role, content };
  }
  // Further roles are the template's business: it prints any of them.
  return { role: role as 'user', content };
}

function contentOf(content: unknown, at: string): Content {
  if (content === null || content === undefined) return '';
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) throw wrong('invalid-message', at, 'a string, null or an array of parts', content);
  return content.map((part, index) => partOf(part, `${at}[${index}]`));
}

function partOf(part: unknown, at: string): TextPart | MediaPart {
  if (typeof part === 'string') return { type: 'text', text: part };
  if (!isJsonObject(part)) throw wrong('invalid-message', at, 'an object', part);
  const text = jsonGet(part, 'text');
  if (text !== undefined && typeof text !== 'string') throw wrong('invalid-message', `${at}.text`, 'a string', text);
  return Object.fromEntries(jsonEntries(part)) as unknown as TextPart | MediaPart;
}

function assistantOf(message: JsonObject, content: Content, at: string): AssistantMessage {
  const reasoning = jsonGet(message, 'reasoning_content') ?? jsonGet(message, 'reasoning');
  if (typeof reasoning !== 'string' && reasoning !== undefined && reasoning !== null) {
    throw wrong('invalid-message', `${at}.reasoning_content`, 'a string or null', reasoning);
  }
  const calls = jsonGet(message, 'tool_calls') ?? [];
  if (!Array.isArray(calls)) throw wrong('invalid-message', `${at}.tool_calls`, 'an array or null', calls);
  const result: AssistantMessage = { role: 'assistant', content: textOf(content, `${at}.content`) };
  if (typeof reasoning === 'string') result.reasoning = reasoning;
  if (calls.length > 0) result.toolCalls = calls.map((call, index) => toolCallOf(call, `${at}.tool_calls[${index}]`));
  return result;
}

/** What an assistant says is text; parts that carry none print nothing. */
function textOf(content: Content, at: string): string {
  if (typeof content === 'string') return content;
  let text = '';
  for (const [index, part] of content.entries()) {
    if (
      ['image', 'image_url', 'audio', 'audio_url', 'video', 'video_url'].some(
        (kind) => kind === part.type || kind in part,
      )
    ) {
      throw wrong('invalid-message', `${at}[${index}]`, 'a text part in an assistant message', part.type);
    }
    if (typeof part.text === 'string') text += part.text;
  }
  return text;
}

function toolCallOf(call: unknown, at: string): ToolCall {
  if (!isJsonObject(call)) throw wrong('invalid-message', at, 'an object', call);
  const inner = jsonGet(call, 'function') ?? call;
  const name = jsonGet(inner, 'name');
  if (typeof name !== 'string') throw wrong('invalid-message', `${at}.function.name`, 'a string', name);
  const id = jsonGet(call, 'id');
  const value = jsonGet(inner, 'arguments');
  let text: string;
  if (value === undefined || value === null || value === '') text = '{}';
  else if (typeof value === 'string') text = value;
  else if (isJsonObject(value)) text = writeJson(value);
  else throw wrong('invalid-message', `${at}.function.arguments`, 'JSON text or an object', value);
  return {
    id: typeof id === 'string' ? id : `call_${at.replaceAll(/[^0-9]+/g, '_').slice(1, -1)}`,
    name,
    arguments: text,
  };
}

/** Reads OpenAI-style tools, wrapped (`{type, function}`) or bare. Key order is kept. Throws `invalid-tool`. */
export function fromOpenAITools(tools: unknown): Tool[] {
  if (tools === null || tools === undefined) return [];
  if (!Array.isArray(tools)) throw wrong('invalid-tool', 'tools', 'an array or null', tools);
  return tools.map((tool, index) => {
    const inner = jsonGet(tool, 'function') ?? tool;
    if (!isJsonObject(inner)) throw wrong('invalid-tool', `tools[${index}]`, 'an object', inner);
    const name = jsonGet(inner, 'name');
    if (typeof name !== 'string') throw wrong('invalid-tool', `tools[${index}].name`, 'a string', name);
    return toolEntries.keep({ ...Object.fromEntries(jsonEntries(inner)), name }, inner);
  });
}

/** The tools as a request carries them. */
export function toOpenAITools(tools: readonly Tool[]): { type: 'function'; function: Tool }[] {
  return tools.map((tool) => ({ type: 'function', function: tool }));
}

/** An assistant message as an answer carries it: content is null when there are calls and no text. */
export function toOpenAIAssistant(message: AssistantMessage): OpenAIAssistantMessage {
  const calls = (message.toolCalls ?? []).map(toOpenAIToolCall);
  return {
    role: 'assistant',
    content: message.content === '' && calls.length > 0 ? null : message.content,
    reasoning_content: message.reasoning === undefined || message.reasoning === '' ? null : message.reasoning,
    tool_calls: calls,
  };
}

/** Messages as a request carries them: reasoning byte for byte, nothing sent that is not there. */
export function toOpenAIMessages(messages: readonly Message[]): OpenAIMessage[] {
  return messages.map((message) => {
    if (message.role === 'tool') {
      const { role, content, toolCallId } = message;
      return toolCallId === undefined ? { role, content } : { role, content, tool_call_id: toolCallId };
    }
    if (message.role !== 'assistant') return { role: message.role, content: message.content };
    const calls = (message.toolCalls ?? []).map(toOpenAIToolCall);
    return {
      role: 'assistant',
      content: message.content === '' && calls.length > 0 ? null : message.content,
      ...(message.reasoning === undefined ? {} : { reasoning_content: message.reasoning }),
      ...(calls.length === 0 ? {} : { tool_calls: calls }),
    };
  });
}

function toOpenAIToolCall(call: ToolCall): OpenAIToolCall {
  return { id: call.id, type: 'function', function: { name: call.name, arguments: call.arguments } };
}

function wrong(code: 'invalid-message' | 'invalid-tool', field: string, expected: string, found: unknown): MimoError {
  const kind =
    found === null ? 'null' : Array.isArray(found) ? 'an array' : found === undefined ? 'missing' : typeof found;
  return new MimoError(code, `${field} must be ${expected}; it is ${kind}.`, {
    hint: `See the OpenAI chat format for ${code === 'invalid-tool' ? 'tools' : 'messages'}.`,
    field,
  });
}
