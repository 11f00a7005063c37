// Templates of other models: their own Jinja text through the optional peer @huggingface/jinja, under the same interface.
//
// That engine is not Python's. Known differences, each held by a test: numbers arrive as JavaScript numbers, so 1.0 prints 1,
// 1e-07 prints 1e-7 and integers beyond 2^53 are rounded; null has no string form
// (the template fails); integer-like keys come first; spans of what the caller wrote are
// unknown, so guarded encoding has nothing to guard. For MiMo use createChatTemplate, which has none of them.
import { Environment, Interpreter, parse as parseTemplate, tokenize } from '@huggingface/jinja';
import {
  isJsonObject,
  type JsonValue,
  jsonEntries,
  type Message,
  MimoError,
  NumberLiteral,
  readJson,
  type Tool,
} from '@mimokit/protocol';
import type { CallGrammar } from './call-grammar.ts';
import type { ChatTemplate } from './chat-template.ts';
import { jsonCalls } from './json-calls.ts';
import { createParser, parse } from './parse.ts';
import type { RenderedPrompt, RenderRequest } from './render.ts';

export interface JinjaOptions {
  /** Tokens that end an answer. */
  stopTokens: readonly string[];
  name?: string | undefined;
  /** How the model writes calls; default: JSON. */
  calls?: CallGrammar | undefined;
  /** Further variables, such as bos_token. */
  variables?: Readonly<Record<string, unknown>> | undefined;
  /** Longest template, in UTF-16 code units; default 262,144. */
  maxTemplateLength?: number | undefined;
  /** Evaluated expressions and statements per prompt; default 10 million. */
  maxSteps?: number | undefined;
  /** Longest text, in UTF-16 code units, of the prompt and of every value on the way; default 16 Mi. */
  maxLength?: number | undefined;
}

/** A template from its Jinja text. Throws `invalid-argument` when it cannot be read; rendering throws `invalid-message`. */
export function fromJinja(source: string, options: JinjaOptions): ChatTemplate {
  const { stopTokens, name = 'jinja', calls = jsonCalls, variables = {} } = options;
  const { maxTemplateLength = 262_144, maxSteps = 10_000_000, maxLength = 16 * 1024 * 1024 } = options;
  if (source.length > maxTemplateLength) {
    throw new MimoError(
      'invalid-argument',
      `The template has ${source.length} characters, more than ${maxTemplateLength}.`,
      {
        hint: 'Raise maxTemplateLength if you trust its origin.',
      },
    );
  }
  const program = attempt('invalid-argument', 'The template cannot be read', () =>
    parseTemplate(tokenize(source, { lstrip_blocks: true, trim_blocks: true })),
  );
  const render = (request: RenderRequest): RenderedPrompt => {
    if (request.from !== undefined && request.from !== 0) {
      throw new MimoError('invalid-argument', 'A Jinja template renders whole conversations only.', {
        hint: 'Leave from out.',
      });
    }
    const environment = new Environment();
    const values = { ...globals(maxLength), ...variables, ...variablesOf(request) };
    for (const [key, value] of Object.entries(values)) if (value !== undefined) environment.set(key, value);
    const text = attempt('invalid-message', 'The template refused the conversation', () => {
      return String(boundedInterpreter(environment, maxSteps, maxLength).run(program).value);
    });
    return { text, literal: [], messageEnds: [], output: outputAfter(text) };
  };
  return {
    profile: {
      name,
      thinking: true,
      keepAllReasoning: true,
      media: null,
      defaultSystem: '',
      stopTokens,
      calls,
      callGap: '\n',
    },
    stopTokens,
    render,
    parser: (some) => createParser({ calls, ...some }),
    parse: (text, some) => parse(text, { calls, ...some }),
  };
}

/** The engine's interpreter with a budget. Its declarations do not resolve under Node's rules, hence the shape by hand. */
interface JinjaInterpreter {
  run(program: unknown): { value: unknown };
  evaluate(statement: unknown, environment: unknown): { value: unknown };
}

function boundedInterpreter(environment: unknown, maxSteps: number, maxLength: number): JinjaInterpreter {
  const interpreter = new (Interpreter as unknown as new (environment: unknown) => JinjaInterpreter)(environment);
  const evaluate = interpreter.evaluate.bind(interpreter);
  let steps = 0;
  interpreter.evaluate = (statement, scope) => {
    const result = evaluate(statement, scope);
    const { value } = result;
    // A list costs its length: a loop over it may have an empty body, which nothing else would count.
    steps += Array.isArray(value) ? value.length + 1 : 1;
    if (steps > maxSteps) throw new Error(`more than ${maxSteps} steps`);
    if (typeof value === 'string' && value.length > maxLength)
      throw new Error(`a text of more than ${maxLength} characters`);
    return result;
  };
  return interpreter;
}

function attempt<T>(code: 'invalid-argument' | 'invalid-message', what: string, act: () => T): T {
  try {
    return act();
  } catch (cause) {
    throw new MimoError(code, `${what}: ${cause instanceof Error ? cause.message : String(cause)}.`, { cause });
  }
}

/** The prompt may open the think block itself, or close it. */
function outputAfter(text: string): RenderedPrompt['output'] {
  const end = text.trimEnd();
  if (end.endsWith('<think>')) return 'reasoning';
  return end.endsWith('</think>') ? 'content' : 'auto';
}

function globals(maxLength: number): Record<string, unknown> {
  return {
    true: true,
    false: false,
    none: null,
    True: true,
    False: false,
    None: null,
    raise_exception: (message: string) => {
      throw new Error(message);
    },
    range: (...bounds: number[]) => {
      const [start, stop, step = 1] = bounds.length === 1 ? [0, bounds[0]!] : [bounds[0]!, bounds[1]!, bounds[2]];
      const length = Math.max(0, Math.ceil((stop - start) / step));
      if (!(length <= maxLength / 16)) throw new Error(`a range of ${length} numbers`);
      return Array.from({ length }, (_, i) => start + i * step);
    },
    strftime_now: strftime,
  };
}

/** The directives that chat templates use. */
function strftime(format: string): string {
  const now = new Date();
  const part = (options: Intl.DateTimeFormatOptions): string => new Intl.DateTimeFormat('en-US', options).format(now);
  const two = (value: number): string => String(value).padStart(2, '0');
  const parts: Record<string, string> = {
    Y: String(now.getFullYear()),
    m: two(now.getMonth() + 1),
    d: two(now.getDate()),
    B: part({ month: 'long' }),
    b: part({ month: 'short' }),
    A: part({ weekday: 'long' }),
    a: part({ weekday: 'short' }),
    H: two(now.getHours()),
    M: two(now.getMinutes()),
    S: two(now.getSeconds()),
    '%': '%',
  };
  return format
    .split(/(%.)/s)
    .map((piece) => (piece.startsWith('%') ? (parts[piece.slice(1)] ?? piece) : piece))
    .join('');
}

/** What templates are written for: the variables of transformers' apply_chat_template. */
function variablesOf(request: RenderRequest): Record<string, unknown> {
  return {
    messages: request.messages.map(messageOf),
    tools: request.tools && request.tools.length > 0 ? request.tools.map(toolOf) : null,
    add_generation_prompt: request.addGenerationPrompt ?? true,
    enable_thinking: request.thinking,
    keep_all_reasoning: request.keepAllReasoning,
  };
}

function messageOf(message: Message, index: number): Record<string, unknown> {
  if (message.role !== 'assistant') return { role: message.role, content: message.content };
  const calls = message.toolCalls?.map((call, position) => ({
    id: call.id,
    type: 'function',
    function: {
      name: call.name,
      arguments: attempt('invalid-message', `messages[${index}].toolCalls[${position}].arguments`, () =>
        plain(readJson(call.arguments || '{}')),
      ),
    },
  }));
  return {
    role: 'assistant',
    content: message.content,
    ...(message.reasoning === undefined ? {} : { reasoning_content: message.reasoning }),
    ...(calls === undefined ? {} : { tool_calls: calls }),
  };
}

function toolOf(tool: Tool): Record<string, unknown> {
  return { type: 'function', function: plain(tool as unknown as JsonValue) };
}

/** Numbers as doubles and objects as plain objects: what the engine can take. */
function plain(value: JsonValue | undefined): unknown {
  if (value instanceof NumberLiteral) return Number(value.source);
  if (typeof value === 'bigint') return Number(value);
  if (Array.isArray(value)) return value.map(plain);
  if (!isJsonObject(value)) return value;
  return Object.fromEntries([...jsonEntries(value)].map(([key, member]) => [key, plain(member)]));
}
