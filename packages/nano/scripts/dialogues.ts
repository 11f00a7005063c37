// The held-out dialogues and their wire form, written by train/data/held_out.py: `micro` are 500 like micro's training data,
// `held` 2,400 with more invented tools, three calls, stories, reading and reasoning.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import type { Message, Tool } from '@mimokit/protocol';

/** One line; messages and tools are OpenAI's. */
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

export interface WireMessage {
  role: 'system' | 'user' | 'assistant' | 'tool';
  content: string;
  tool_calls?: readonly { id: string; function: { name: string; arguments: string } }[];
  tool_call_id?: string;
}

const files = { micro: 'dialogues.jsonl', held: 'held-out.jsonl.gz' } as const;

export type DialogueSet = keyof typeof files;

export function isDialogueSet(name: string): name is DialogueSet {
  return name in files;
}

export function readDialogues(set: DialogueSet): Dialogue[] {
  const data = readFileSync(fileURLToPath(new URL(`../eval/${files[set]}`, import.meta.url)));
  const text = files[set].endsWith('.gz') ? gunzipSync(data) : data;
  return text
    .toString('utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Dialogue);
}

export function fromWire({ role, content, tool_calls: calls, tool_call_id: toolCallId }: WireMessage): Message {
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
