import type { Message } from '@mimokit/protocol';
import { loadMimoTokenizer } from '@mimokit/tokenizer/mimo';
import { describe, expect, test } from 'vitest';
import { createArchive } from './archive.ts';
import { archiveTools } from './archive-tools.ts';
import { passagesOf, wordsOf } from './passages.ts';

const user = (content: string): Message => ({ role: 'user', content });

describe('lines', () => {
  const talk: Message[] = [
    { role: 'system', content: 'S' },
    user('“Zürich” \u2028 \ud83c\udf26'),
    {
      role: 'assistant',
      reasoning: ' hm\n',
      content: '',
      toolCalls: [{ id: 'a', name: 'f', arguments: '{"x": 1.0, "10": 12345678901234567890}', source: '<tool_call>' }],
    },
    { role: 'tool', content: [{ type: 'text', text: '7' }], toolCallId: 'a' },
  ];

  test('replay the conversation to the byte', () => {
    const archive = createArchive();
    expect(archive.sync(talk.slice(0, 2))).toBe(0);
    expect(archive.sync(talk)).toBe(2);
    expect(archive.sync(talk)).toBe(4);
    expect(JSON.stringify(archive.replay())).toBe(JSON.stringify(talk));
    const copy = createArchive({ text: archive.text() });
    expect(JSON.stringify(copy.replay())).toBe(JSON.stringify(talk));
    expect(copy.text()).toBe(archive.text());
  });

  test('an edited history replaces from where it differs, and nothing ever written is erased', () => {
    const archive = createArchive();
    archive.sync(talk);
    const edited = [talk[0]!, user('Other question')];
    expect(archive.sync(edited)).toBe(1);
    expect(archive.replay()).toEqual(edited);
    expect(archive.text()).toContain('12345678901234567890');
    expect(createArchive({ text: archive.text() }).replay()).toEqual(edited);
    expect(archive.search('Zürich')).toEqual([]);
  });

  test('what the caller changes later is not changed here', () => {
    const message = { role: 'user' as const, content: 'before' };
    const archive = createArchive();
    archive.sync([message]);
    message.content = 'after';
    expect(archive.replay()).toEqual([user('before')]);
  });

  test.each([
    ['not json', 'no JSON'],
    ['[]', 'no object'],
    ['{"index":1,"message":{"role":"user","content":""}}', 'index is 1'],
    ['{"index":0,"message":{"content":""}}', 'no message'],
  ])('%s is refused by its number', (line, why) => {
    const good = '{"index":0,"message":{"role":"user","content":"x"}}\n';
    const text = line.startsWith('{"index":1') ? line : `${good}${line}`;
    expect(() => createArchive({ text })).toThrow(expect.objectContaining({ message: expect.stringContaining(why) }));
  });
});

describe('search', () => {
  test('finds by words of any script, rare ones first', () => {
    const archive = createArchive();
    archive.sync([
      user('The pump in Lakeside works.'),
      user('Lakeside, Lakeside and again Lakeside.'),
      user('泵站编号是四十二。'),
      user('config.kiln.token = "K-1"'),
    ]);
    expect(archive.search('pump Lakeside')[0]).toMatchObject({ index: 0, part: 0, parts: 1, role: 'user' });
    expect(archive.search('泵站 编号')[0]).toMatchObject({ index: 2 });
    expect(archive.search('token kiln')[0]).toMatchObject({ index: 3 });
    expect(archive.search('elephant')).toEqual([]);
    expect(archive.search('')).toEqual([]);
  });

  test('looks into reasoning, calls and results, but not into what the archive tools said', () => {
    const archive = createArchive();
    const call = { id: 'a', name: 'search_archive', arguments: '{"query":"zebra"}' };
    archive.sync([
      {
        role: 'assistant',
        content: '',
        reasoning: 'the giraffe',
        toolCalls: [{ id: 'x', name: 'f', arguments: '{"v":"hippo"}' }],
      },
      { role: 'tool', content: 'walrus', toolCallId: 'x' },
      { role: 'assistant', content: '', toolCalls: [call] },
      { role: 'tool', content: 'zebra walrus', toolCallId: 'a' },
    ]);
    expect(
      ['giraffe', 'hippo', 'walrus', 'zebra'].map((word) => archive.search(word).map(({ index }) => index)),
    ).toEqual([[0], [0], [1], []]);
  });

  test('a megabyte without a space costs no more than its length', () => {
    const archive = createArchive();
    archive.sync([user('x'.repeat(2 ** 20)), user('needle')]);
    expect(archive.search('needle')).toHaveLength(1);
  });
});

test('passages cover the text, overlap, and never halve a character', () => {
  const numbers = Array.from({ length: 2000 }, (_, at) => at);
  const han = numbers.map((at) => String.fromCodePoint(0x20000 + at)).join('');
  const text = `${numbers.join(' ')}${han}\n${numbers.join('\n')}`;
  const passages = passagesOf(text);
  let end = 0;
  for (const passage of passages) {
    const at = text.indexOf(passage, Math.max(0, end - 400));
    expect(at).toBeLessThanOrEqual(end);
    expect(() => encodeURIComponent(passage)).not.toThrow();
    end = at + passage.length;
  }
  expect(end).toBe(text.length);
  expect(passagesOf('')).toEqual(['']);
});

test('names are found whole and by their parts', () => {
  expect([...wordsOf('See Config.max_size, OK?')]).toEqual(['see', 'config.max_size', 'config', 'max', 'size', 'ok']);
});

test('the tools answer within their tokens and say what was cut', async () => {
  const tokenizer = await loadMimoTokenizer();
  const archive = createArchive();
  archive.sync([user(`needle ${'hay '.repeat(200)}`), user('needle two'), user('needle three')]);
  const [search, read] = archiveTools(archive, { tokenizer, resultTokens: 60 });
  const run = async (tool: typeof search, input: Record<string, unknown>): Promise<string> => {
    const prepared = await tool!.prepare(input);
    if ('problem' in prepared) throw new Error(prepared.problem);
    const call = { id: '1', name: 'x', arguments: '{}' };
    return String(await prepared.run({ call, signal: new AbortController().signal, messages: [] }));
  };
  const found = await run(search, { query: 'needle' });
  expect(found).toMatch(
    /^\[message 1, user\]\nneedle two\n\n\[message 2, user\]\nneedle three\n\n\[message 0.* … \(cut\)$/s,
  );
  expect(tokenizer.count(found)).toBeLessThanOrEqual(60);
  expect(await run(search, { query: 'camel' })).toBe('Nothing found; try other words.');
  expect(await run(search, {})).toBe('Nothing found; try other words.');
  expect(await run(read, { message: 1 })).toBe('[message 1, user]\nneedle two');
  expect(await run(read, { message: 'x', part: -3 })).toBe('There is no such passage; messages are 0 to 2.');
});
