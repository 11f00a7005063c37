// Conversations under a budget: what each policy sends, what it never does, and that the archive has all of it.
import { createChatTemplate } from '@mimokit/chat-template';
import type { ChatRequest, Message } from '@mimokit/protocol';
import { chatModelLaws } from '@mimokit/protocol/testing';
import { loadMimoTokenizer } from '@mimokit/tokenizer/mimo';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type ContextPolicy,
  createArchive,
  type CutNotice,
  discardToolResults,
  keepEverything,
  manageContext,
  summariseAndArchive,
} from '../src/context/index.ts';
import { createClient } from '../src/index.ts';
import { longTask } from './context-tasks.ts';
import { runLongTask } from './run-long-task.ts';
import { scripted, scriptedBy } from './scripted.ts';
import { chunks, delta, serve, stream } from './server.ts';

const tokenizer = await loadMimoTokenizer();
const template = createChatTemplate();
const searchTools = manageContext(scripted({}), {
  policy: discardToolResults(),
  budgetTokens: 100,
  tokenizer,
}).tools.map(({ definition }) => definition);
const words = (count: number, word = 'lorem'): string => `${word} `.repeat(count);

function turn(id: number, resultWords: number): Message[] {
  const call = { id: `c${id}`, name: 'look', arguments: `{"at":${id}}` };
  return [
    { role: 'assistant', reasoning: ` thought ${id}\n`, content: '', toolCalls: [call] },
    { role: 'tool', content: `result ${id}: ${words(resultWords)}`, toolCallId: call.id },
  ];
}

function longTalk(turns: number, resultWords: number): Message[] {
  return [
    { role: 'system', content: 'Be brief.' },
    { role: 'user', content: 'Look at everything.' },
    ...Array.from({ length: turns }, (_, id) => turn(id, resultWords)).flat(),
  ];
}

/** Tokens of prompt and answer of a request, counted from the request itself. */
function sizeOf({ messages, tools, thinking, maxTokens = 0 }: ChatRequest): number {
  return tokenizer.encode(template.render({ messages, tools, thinking }).text).length + maxTokens;
}

function under(policy: ContextPolicy, budgetTokens: number, answer: (request: ChatRequest) => string = () => 'ok') {
  const model = scriptedBy((request) => ({ role: 'assistant', content: answer(request) }));
  const notices: CutNotice[] = [];
  const managed = manageContext(model, {
    policy,
    budgetTokens,
    tokenizer,
    answerTokens: 100,
    onCut: (notice) => notices.push(notice),
  });
  return { managed, requests: model.requests, notices };
}

describe('without a policy', () => {
  test('what fits is sent as it is', async () => {
    const { managed, requests } = under(keepEverything(), 10_000);
    const messages = longTalk(5, 100);
    await managed.chat({ messages }).message();
    expect(requests[0]).toMatchObject({ messages, maxTokens: 100 });
    expect(managed.tools).toEqual([]);
  });
  test('what does not is refused with the figures, and the model is not asked', async () => {
    const { managed, requests } = under(keepEverything(), 500);
    const asked = managed.chat({ messages: longTalk(5, 100) }).message();
    await expect(asked).rejects.toMatchObject({ code: 'context-overflow', details: { limitTokens: 400 } });
    expect(requests).toEqual([]);
  });
});

describe('discarding tool results', () => {
  test('takes the oldest, leaves a note, touches nothing else, and says so', async () => {
    const { managed, requests, notices } = under(discardToolResults({ keepResults: 2 }), 1600);
    const messages = longTalk(6, 300);
    await managed.chat({ messages, tools: searchTools }).message();
    const sent = requests[0]!.messages;
    expect(sizeOf(requests[0]!)).toBeLessThanOrEqual(1600);
    expect(sent[3]).toEqual({
      role: 'tool',
      content: '[look: 305 tokens removed to save context; read_archive message 3]',
      toolCallId: 'c0',
    });
    expect(sent.filter(({ role }) => role !== 'tool')).toEqual(messages.filter(({ role }) => role !== 'tool'));
    expect(sent.slice(-3)).toEqual(messages.slice(-3));
    const cuts = [3, 5, 7, 9].map((at) => ({ kind: 'discarded', from: at, to: at }));
    expect(notices).toMatchObject([{ policy: 'discard-tool-results', cuts }]);
    expect(notices[0]!.fullTokens).toBeGreaterThan(1600);
  });
  test('keeps the prompt as it was while the conversation grows', async () => {
    const { managed, requests } = under(discardToolResults({ keepResults: 1 }), 2000);
    const messages = longTalk(6, 300);
    await managed.chat({ messages }).message();
    await managed.chat({ messages: [...messages, ...turn(7, 200)] }).message();
    const [first, second] = requests.map((request) => template.render({ ...request, addGenerationPrompt: false }).text);
    expect(second!.startsWith(first!)).toBe(true);
  });
  test('shortens the last result when it alone is too long', async () => {
    const { managed, requests } = under(discardToolResults(), 700);
    await managed.chat({ messages: longTalk(1, 2000) }).message();
    const [, , , result] = requests[0]!.messages;
    expect(result!.content).toMatch(/^result 0: lorem lorem .*… the rest of 2005 tokens removed to save context;/s);
    expect(sizeOf(requests[0]!)).toBeGreaterThan(600);
  });
  test('refuses what no cut of results can shorten', async () => {
    const { managed } = under(discardToolResults(), 700);
    const asked = managed.chat({ messages: [{ role: 'user', content: words(2000) }] }).message();
    await expect(asked).rejects.toMatchObject({ code: 'context-overflow' });
  });
});

describe('summarising', () => {
  const summary = 'Everything before was about lorem.';
  const answers = ({ messages }: ChatRequest): string =>
    String(messages[0]!.content).startsWith('Summarise this part') ? summary : 'ok';

  test('keeps system, summary, the last request and the newest turns whole', async () => {
    const { managed, requests, notices } = under(summariseAndArchive(), 2000, answers);
    const messages = longTalk(10, 300);
    await managed.chat({ messages, tools: searchTools }).message();
    const sent = requests.at(-1)!.messages;
    const [{ cuts }] = notices as [CutNotice];
    const cut = cuts[0]!.to + 1;
    expect(cuts).toEqual([{ kind: 'summarised', from: 1, to: cut - 1 }]);
    expect(sent[0]).toEqual(messages[0]);
    expect(sent[1]).toEqual({
      role: 'user',
      content: `[Messages 1 to ${cut - 1} of this conversation were summarised to save context. Their full text is in the archive: search_archive, read_archive.]\n${summary}`,
    });
    expect(sent[2]).toEqual(messages[1]);
    // From an assistant turn on, reasoning and all.
    expect(messages[cut]!.role).toBe('assistant');
    expect(sent.slice(3)).toEqual(messages.slice(cut));
  });
  test('asks the model within the same budget, piece by piece, each time with what it knew', async () => {
    const { managed, requests } = under(summariseAndArchive(), 1500, answers);
    await managed.chat({ messages: longTalk(30, 300) }).message();
    expect(requests.length).toBeGreaterThan(4);
    for (const request of requests) expect(sizeOf(request)).toBeLessThanOrEqual(1500);
    expect(requests[1]!.messages[0]!.content).toContain(`<summary_so_far>\n${summary}\n`);
  });
  test('does not ask again until the budget is reached again', async () => {
    const { managed, requests } = under(summariseAndArchive(), 2000, answers);
    const messages = longTalk(10, 300);
    await managed.chat({ messages }).message();
    const before = requests.length;
    await managed.chat({ messages: [...messages, ...turn(10, 100)] }).message();
    expect(requests).toHaveLength(before + 1);
  });
  test('takes a summary from a function, and cuts one that is too long', async () => {
    const ranges: number[] = [];
    const policy = summariseAndArchive({
      summaryTokens: 50,
      summarise: ({ messages: some }) => {
        ranges.push(some.length);
        return words(500, 'much');
      },
    });
    const { managed, requests } = under(policy, 2000);
    await managed.chat({ messages: longTalk(10, 300) }).message();
    expect(ranges).toHaveLength(1);
    expect(requests).toHaveLength(1);
    expect(requests[0]!.messages[1]!.content).toMatch(/much … \(cut\)$/);
  });
  test('begins anew when the conversation is another', async () => {
    const { managed, requests } = under(summariseAndArchive(), 2000, answers);
    await managed.chat({ messages: longTalk(10, 300) }).message();
    const other: Message[] = [{ role: 'user', content: 'Something else.' }];
    await managed.chat({ messages: other }).message();
    expect(requests.at(-1)!.messages).toEqual(other);
    expect(managed.archive.replay()).toEqual([...other, { role: 'assistant', content: 'ok' }]);
  });
});

describe('for any conversation', () => {
  const message = fc.oneof(
    fc.record({ role: fc.constant('user' as const), content: fc.string({ maxLength: 400 }) }),
    fc.record({ role: fc.constant('assistant' as const), content: fc.string({ maxLength: 400 }) }),
    fc.record({ size: fc.nat(500), calls: fc.integer({ min: 1, max: 3 }) }),
  );
  const talks = fc.array(message, { minLength: 1, maxLength: 30 }).map((items) =>
    items.flatMap((item, at): Message[] => {
      if ('role' in item) return [item];
      const ids = Array.from({ length: item.calls }, (_, n) => `c${at}-${n}`);
      return [
        { role: 'assistant', content: '', toolCalls: ids.map((id) => ({ id, name: 'look', arguments: '{}' })) },
        ...ids.map((id): Message => ({ role: 'tool', content: words(item.size, '字'), toolCallId: id })),
      ];
    }),
  );
  test.each([
    { name: 'discarding', create: () => discardToolResults() },
    { name: 'summarising', create: () => summariseAndArchive() },
  ])('$name keeps the budget, the pairs of calls and results, and the archive', async ({ create }) => {
    await fc.assert(
      fc.asyncProperty(talks, async (messages) => {
        const { managed, requests } = under(create(), 1200);
        const outcome = await managed
          .chat({ messages, tools: searchTools })
          .message()
          .catch((error: { code?: string }) => error.code);
        if (typeof outcome === 'string') expect(outcome).toBe('context-overflow');
        for (const request of requests) {
          expect(sizeOf(request)).toBeLessThanOrEqual(1200);
          const called = new Set<string>();
          for (const one of request.messages) {
            if (one.role === 'assistant') for (const { id } of one.toolCalls ?? []) called.add(id);
            if (one.role === 'tool') expect(called).toContain(one.toolCallId);
          }
        }
        expect(JSON.stringify(managed.archive.replay().slice(0, messages.length))).toBe(JSON.stringify(messages));
      }),
      { numRuns: 30 },
    );
  });
});

describe('long tasks whose answer lies before the cut (the first of a hundred; all: scripts/context-tasks.ts)', () => {
  test.each([
    { name: 'discarding', create: () => discardToolResults() },
    { name: 'summarising', create: () => summariseAndArchive() },
  ])('$name: found, replayed to the byte, within budget', async ({ create }) => {
    for (let number = 0; number < 6; number++) {
      const outcome = await runLongTask(longTask(number), create(), { budgetTokens: 3000, tokenizer });
      expect({ number, ...outcome }).toMatchObject({ number, found: true, replays: true });
      expect(outcome.mostTokens).toBeLessThanOrEqual(3000);
      expect(outcome.fullTokens).toBeGreaterThan(4000);
    }
  });
  test('without the archive they are lost: the tasks do need it', async () => {
    const task = longTask(1);
    const blind = { ...summariseAndArchive(), cuts: false };
    expect(await runLongTask(task, blind, { budgetTokens: 3000, tokenizer })).toMatchObject({ found: false });
  });
});

describe('the managed model obeys the laws of a ChatModel', () => {
  const bytes = chunks(delta({ reasoning_content: 'Hm' }), delta({ content: 'Hello' }, 'stop'));
  const open = async () => {
    const server = await serve(stream(bytes));
    const model = createClient({ baseURL: server.baseURL, model: 'm' });
    const managed = manageContext(model, { policy: summariseAndArchive(), budgetTokens: 1000, tokenizer });
    return Object.assign(managed, { [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() });
  };
  const laws = chatModelLaws(open, { text: { messages: [{ role: 'user', content: 'Hello' }] }, repeatable: true });
  test.each(laws)('$name', ({ check }) => check());
});

test('a budget that leaves nothing for the prompt is refused', () => {
  const make = (budgetTokens: number) => () =>
    manageContext(scripted({}), { policy: keepEverything(), budgetTokens, tokenizer, answerTokens: 100 });
  expect(make(100)).toThrow(expect.objectContaining({ code: 'invalid-argument' }));
  expect(make(Number.NaN)).toThrow(expect.objectContaining({ code: 'invalid-argument' }));
});

test('an archive can be shared with a new process through its lines', async () => {
  const lines: string[] = [];
  const archive = createArchive({ onLine: (line) => lines.push(line) });
  archive.sync(longTalk(2, 10));
  const later = createArchive({ text: archive.text() });
  const managed = manageContext(scripted({ content: 'ok' }), {
    policy: discardToolResults(),
    budgetTokens: 1000,
    tokenizer,
    archive: later,
  });
  const messages: Message[] = [...longTalk(2, 10), { role: 'user', content: 'And now?' }];
  await managed.chat({ messages }).message();
  expect(later.replay()).toEqual([...messages, { role: 'assistant', content: 'ok' }]);
  expect(later.text().startsWith(lines.map((line) => `${line}\n`).join(''))).toBe(true);
});
