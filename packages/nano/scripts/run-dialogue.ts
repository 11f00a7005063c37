// Plays one held-out dialogue against a model and judges every turn of it: calls well-formed and valid, right tool, exact
// arguments, result restated, no call where none is needed, thinking as asked.
import type { AssistantMessage, ChatModel, Message, Tool } from '@mimokit/protocol';
import { type Dialogue, fromWire } from './dialogues.ts';

export type Mark =
  | 'wellFormed'
  | 'validCall'
  | 'knownTool'
  | 'exactKnown'
  | 'nonceTool'
  | 'exactNonce'
  | 'restated'
  | 'noTool'
  | 'fromText'
  | 'reasoned'
  | 'thinking';

export interface Outcome {
  marks: readonly (readonly [Mark, boolean])[];
  acceptLengths: readonly number[];
  messages: readonly Message[];
}

export async function runDialogue(model: ChatModel, dialogue: Dialogue): Promise<Outcome> {
  const { steps, restate } = dialogue.expected;
  const tools = dialogue.tools.map((tool) => tool.function);
  const nonce = dialogue.kind.startsWith('nonce');
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
      const right = silent && restate.every((text) => message.content.includes(text));
      marks.push(steps.length === 0 ? ['noTool', silent] : ['restated', right]);
      if (dialogue.kind === 'story' || dialogue.kind === 'reading') marks.push(['fromText', right]);
      if (dialogue.kind === 'reason') marks.push(['reasoned', right]);
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
