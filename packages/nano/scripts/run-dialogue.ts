// Plays one held-out dialogue against a model and judges every turn of it: calls well-formed and valid, right tool, exact
// arguments, result restated, no call where none is needed, thinking as asked.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { AssistantMessage, ChatModel, Message, Tool } from '@mimokit/protocol';

/** A line of eval/dialogues.jsonl; messages and tools are OpenAI's. */
export interface Dialogue {
  id: number;
  kind: string;
  thinking: boolean;
  messages: readonly WireMessage[];
  tools: readonly { function: Tool }[];
  expected: { steps: readonly ExpectedStep[]; answer: string; restate: readonly string[] };
}

interface ExpectedStep {
  calls: readonly { name: string; arguments: Record<string, unknown> }[];
  results: readonly string[];
}

interface WireMessage {
  role: 'system' | 'user' | 'assistant' | 'tool';
  content: string;
  tool_calls?: readonly { id: string; function: { name: string; arguments: string } }[];
  tool_call_id?: string;
}

export type Mark =
  | 'wellFormed'
  | 'validCall'
  | 'knownTool'
  | 'exactKnown'
  | 'nonceTool'
  | 'exactNonce'
  | 'restated'
  | 'noTool'
  | 'thinking';

export interface Outcome {
  marks: readonly (readonly [Mark, boolean])[];
  acceptLengths: readonly number[];
  messages: readonly Message[];
}

export function readDialogues(): Dialogue[] {
  const path = fileURLToPath(new URL('../eval/dialogues.jsonl', import.meta.url));
  const lines = readFileSync(path, 'utf8').trim().split('\n');
  return lines.map((line) => JSON.parse(line) as Dialogue);
}

export async function runDialogue(model: ChatModel, dialogue: Dialogue): Promise<Outcome> {
  const { steps, restate } = dialogue.expected;
  const tools = dialogue.tools.map((tool) => tool.function);
  const nonce = dialogue.kind === 'nonce';
  const marks: [Mark, boolean][] = [];
  const acceptLengths: number[] = [];
  const messages: Message[] = dialogue.messages.map(fromWire);
  for (let step = 0; ; step += 1) {
    const message = await answer(model, messages, tools, dialogue.thinking, acceptLengths);
    messages.push(message);
    marks.push(['thinking', ((message.reasoning ?? '') !== '') === dialogue.thinking]);
    const calls = message.toolCalls ?? [];
    const attempted = calls.length > 0 || written(message).includes('<tool_call>');
    if (attempted) marks.push(['wellFormed', wellFormed(message)], ['validCall', validCalls(message, tools)]);
    const expected = steps[step];
    if (!expected) {
      const silent = !attempted;
      if (steps.length === 0) marks.push(['noTool', silent]);
      else marks.push(['restated', silent && restate.every((text) => message.content.includes(text))]);
      return { marks, acceptLengths, messages };
    }
    const named = same(
      calls.map(({ name }) => name),
      expected.calls.map(({ name }) => name),
    );
    const exact = named && expected.calls.every((call, i) => same(JSON.parse(calls[i]!.arguments), call.arguments));
    marks.push([nonce ? 'nonceTool' : 'knownTool', named], [nonce ? 'exactNonce' : 'exactKnown', exact]);
    if (!named) return { marks, acceptLengths, messages };
    expected.results.forEach((content, i) => messages.push({ role: 'tool', content, toolCallId: calls[i]!.id }));
  }
}

async function answer(
  model: ChatModel,
  messages: readonly Message[],
  tools: readonly Tool[],
  thinking: boolean,
  acceptLengths: number[],
): Promise<AssistantMessage> {
  const stream = model.chat({ messages: [...messages], tools, thinking, maxTokens: 160, sampling: { temperature: 0 } });
  for await (const event of stream) {
    if (event.type !== 'finish') continue;
    acceptLengths.push(...(event.usage.acceptLengths ?? []));
    return event.message;
  }
  throw new Error('the stream ended without a finish event');
}

function written({ reasoning, content }: AssistantMessage): string {
  return `${reasoning ?? ''}${content}`;
}

/** A call as the template writes it. */
const call =
  /<tool_call>\n<function=[^<>\n]+>\n(?:<parameter=[^<>\n]+>[^<]*<\/parameter>\n)*<\/function>\n<\/tool_call>/g;

/** Every call has the template's form, whatever it names: one of an unknown tool arrives as text, so both are looked at. */
function wellFormed(message: AssistantMessage): boolean {
  const all = written(message) + (message.toolCalls ?? []).map(({ source }) => source ?? '').join('');
  return !all.replaceAll(call, '').includes('tool_call>');
}

/** Every call names an offered tool and has its required parameters, no others, with values of the right type. */
function validCalls(message: AssistantMessage, tools: readonly Tool[]): boolean {
  const { toolCalls = [] } = message;
  if (toolCalls.length === 0 || written(message).includes('<tool_call>')) return false;
  return toolCalls.every((call) => {
    const tool = tools.find(({ name }) => name === call.name);
    const schema = tool?.parameters as { properties: Record<string, unknown>; required?: string[] } | undefined;
    if (!schema || (call.flags ?? []).length > 0) return false;
    const keys = Object.keys(JSON.parse(call.arguments) as object);
    return keys.every((key) => key in schema.properties) && (schema.required ?? []).every((key) => keys.includes(key));
  });
}

function same(left: unknown, right: unknown): boolean {
  return JSON.stringify(left) === JSON.stringify(right);
}

function fromWire({ role, content, tool_calls: calls, tool_call_id: toolCallId }: WireMessage): Message {
  if (role === 'assistant') {
    if (!calls) return { role, content };
    return {
      role,
      content,
      toolCalls: calls.map(({ id, function: { name, arguments: text } }) => ({ id, name, arguments: text })),
    };
  }
  if (role === 'tool') return { role, content, ...(toolCallId !== undefined && { toolCallId }) };
  return { role, content };
}
