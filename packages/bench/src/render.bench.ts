// Rendering a prompt (C10): a chat of two messages, a prompt with 20 tools beside @huggingface/jinja with the same template, a
// history of 100,000 tokens, and the next turn of that history alone. Processor time: rendering is one thread's work.
import { readFileSync } from 'node:fs';
import { Template } from '@huggingface/jinja';
import { createChatTemplate } from '@mimokit/chat-template';
import { fixturePath } from '@mimokit/fixtures';
import type { Message, Tool } from '@mimokit/protocol';
import { toOpenAIMessages, toOpenAITools } from '@mimokit/protocol/wire';
import { processorClock, publish, race, ratio } from './harness.ts';

const rounds = Number(process.env['MIMOKIT_BENCH_ROUNDS'] ?? 9);
const template = createChatTemplate('mimo-v2-flash');
const jinja = new Template(readFileSync(fixturePath('chat', 'mimo_v2_flash.jinja'), 'utf8'));

const two: Message[] = [
  { role: 'system', content: 'You are a helpful assistant.' },
  { role: 'user', content: 'What is the weather in Oslo today, and should I take an umbrella?' },
];
const tools: Tool[] = Array.from({ length: 20 }, (_, i) => ({
  name: `tool_${i}`,
  description: `Does the thing number ${i} and returns what came of it as a short text.`,
  parameters: {
    type: 'object',
    properties: {
      path: { type: 'string', description: 'Where to look' },
      limit: { type: 'integer', description: 'At most so many', default: 10 + i },
      mode: { type: 'string', enum: ['fast', 'deep', 'both'] },
      filter: { type: 'object', properties: { name: { type: 'string' } } },
    },
    required: ['path'],
  },
}));
const history = conversation(430_000);
const next: Message[] = [...history, { role: 'user', content: 'And now?' }];

function conversation(characters: number): Message[] {
  const messages: Message[] = [];
  const paragraph =
    'The quick brown fox jumps over the lazy dog and reports what it saw on the other side of the hedge. '.repeat(8);
  for (let written = 0, turn = 0; written < characters; written += paragraph.length * 3, turn++) {
    messages.push(
      { role: 'user', content: paragraph },
      {
        role: 'assistant',
        reasoning: paragraph,
        content: '',
        toolCalls: [
          {
            id: `c${turn}`,
            name: 'tool_1',
            arguments: JSON.stringify({ path: '/a/b', limit: turn, filter: { name: 'x' } }),
          },
        ],
      },
      { role: 'tool', toolCallId: `c${turn}`, content: paragraph },
    );
  }
  return messages;
}

/** What jinja needs: the template's own variables. */
function variables(messages: readonly Message[], some: readonly Tool[] = []): Record<string, unknown> {
  const plain = toOpenAIMessages(messages).map((message) => ({
    ...message,
    content: message.content ?? '',
    ...(message.tool_calls && {
      tool_calls: message.tool_calls.map((call) => ({
        ...call,
        function: { ...call.function, arguments: JSON.parse(call.function.arguments) },
      })),
    }),
  }));
  return { messages: plain, tools: toOpenAITools(some), add_generation_prompt: true };
}

/** A contestant that runs a thing often enough for the clock; text lengths add up so that nothing is skipped. */
function repeated(name: string, times: number, render: () => string): { name: string; run: () => void } {
  return {
    name,
    run: () => {
      let length = 0;
      for (let i = 0; i < times; i++) length += flat(render());
      if (length === 0) throw new Error('nothing was rendered');
    },
  };
}

/** Forces the text out of the form V8 keeps concatenations in: a prompt that nobody can read costs nothing. */
function flat(text: string): number {
  return text.charCodeAt(text.length >> 1) + text.length;
}

const cases = [
  { shape: '2 messages', request: { messages: two }, times: 2000, peerTimes: 200 },
  { shape: '2 messages, 20 tools', request: { messages: two, tools }, times: 200, peerTimes: 10 },
] as const;
const rows = [];
for (const { shape, request, times, peerTimes } of cases) {
  const data = variables(request.messages, 'tools' in request ? request.tools : []);
  if (jinja.render(data) !== template.render(request).text) throw new Error(`${shape}: jinja renders another prompt`);
  const [ours, theirs] = await race(
    [
      repeated('ours', times, () => template.render(request).text),
      repeated('jinja', peerTimes, () => jinja.render(data)),
    ],
    rounds,
    processorClock,
  );
  const perCall = { ...theirs!, times: theirs!.times.map((time) => (time / peerTimes) * times) };
  const value = (ours!.median / times) * 1000;
  rows.push({
    op: 'render',
    shape,
    value,
    unit: 'µs',
    spread: ours!.spread,
    ...(shape === '2 messages' ? { goal: 'C10', target: 10, atMost: true } : {}),
  });
  rows.push({
    ...('tools' in request ? { goal: 'C10', target: 20 } : {}),
    op: 'render beside jinja',
    shape,
    value,
    unit: 'µs',
    peer: `@huggingface/jinja ${((theirs!.median / peerTimes) * 1000).toFixed(0)}`,
    ratio: ratio(ours!, perCall),
    spread: theirs!.spread,
  });
}

const full = template.render({ messages: history, keepAllReasoning: true });
const tail = template.render({ messages: next, from: history.length });
const whole = template.render({ messages: next, keepAllReasoning: true });
if (!whole.text.endsWith(tail.text)) throw new Error('the next turn differs');
const [ours, turn] = await race(
  [
    repeated('history', 20, () => template.render({ messages: history, keepAllReasoning: true }).text),
    repeated('turn', 2000, () => template.render({ messages: next, from: history.length }).text),
  ],
  rounds,
  processorClock,
);
const tokens = Math.round(full.text.length / 4.3 / 1000);
rows.push({
  goal: 'C10',
  op: 'render a history',
  shape: `about ${tokens},000 tokens`,
  value: ours!.median / 20,
  unit: 'ms',
  target: 5,
  atMost: true,
  spread: ours!.spread,
});
rows.push({
  op: 'render the next turn alone',
  shape: `after about ${tokens},000 tokens`,
  value: (turn!.median / 2000) * 1000,
  unit: 'µs',
  spread: turn!.spread,
});
publish('render', rows);
