import type { StreamEvent } from '@mimokit/protocol';
import { describe, expect, test } from 'vitest';
import { createParser, parse } from '../src/index.ts';
import { eventsOf, parsePieces } from './split-everywhere.ts';

const tools = [
  {
    name: 'f',
    parameters: {
      type: 'object',
      properties: {
        text: { type: 'string' },
        maybe: { type: ['string', 'null'] },
        count: { type: 'integer' },
        list: { type: 'array' },
      },
    },
  },
  { name: 'g' },
];

function block(name: string, ...parameters: [string, string][]): string {
  const body = parameters.map(([key, value]) => `<parameter=${key}>${value}</parameter>\n`).join('');
  return `<tool_call>\n<function=${name}>\n${body}</function>\n</tool_call>`;
}

/** Events piece by piece, without the ids' noise. */
function pushes(pieces: string[], options = {}): StreamEvent[][] {
  let count = 0;
  const parser = createParser({ tools, nextId: () => `call_${count++}`, ...options });
  return [...pieces.map((piece) => parser.push(piece)), parser.end().events];
}

describe('streaming', () => {
  test('text and reasoning come at once, a tag that may begin is held back', () => {
    expect(pushes(['<thi', 'nk>Hm', 'm</th', 'ink>a <', 'b <tool', ' box'])).toEqual([
      [],
      [{ type: 'reasoning-delta', text: 'Hm' }],
      [{ type: 'reasoning-delta', text: 'm' }],
      [{ type: 'text-delta', text: 'a ' }],
      [{ type: 'text-delta', text: '<b ' }],
      [{ type: 'text-delta', text: '<tool box' }],
      [],
    ]);
  });

  test('a string argument grows, another value comes whole', () => {
    const events = pushes([
      '<tool_call><function=f><parameter=text>ab',
      'c"\n',
      '</parameter><parameter=count>1',
      '2</parameter></function></tool_call>',
    ]);
    expect(events).toEqual([
      [
        { type: 'tool-input-start', id: 'call_0', name: 'f' },
        { type: 'tool-input-delta', id: 'call_0', text: '{"text":"ab' },
      ],
      [{ type: 'tool-input-delta', id: 'call_0', text: 'c\\"\\n' }],
      [{ type: 'tool-input-delta', id: 'call_0', text: '","count":' }],
      [
        { type: 'tool-input-delta', id: 'call_0', text: '12}' },
        { type: 'tool-input-end', id: 'call_0' },
        expect.objectContaining({
          type: 'tool-call',
          call: expect.objectContaining({ arguments: '{"text":"abc\\"\\n","count":12}' }),
        }),
      ],
      [],
    ]);
  });

  test('a nullable string waits only while it may be null', () => {
    const start = '<tool_call><function=f><parameter=maybe>';
    expect(pushes([start, ' nul', 'ly', ' yours'])[2]).toEqual([
      { type: 'tool-input-delta', id: 'call_0', text: '" nully' },
    ]);
    const end = '</parameter></function></tool_call>';
    expect(parse(`${start} null ${end}`, { tools }).message.toolCalls![0]!.arguments).toBe('{"maybe":null}');
    expect(parse(`${start}null x${end}`, { tools }).message.toolCalls![0]!.arguments).toBe('{"maybe":"null x"}');
  });

  test('halves of a surrogate pair are never sent apart', () => {
    expect(pushes(['a\ud83d', '\ude00b\ud83d', 'c'])).toEqual([
      [{ type: 'text-delta', text: 'a' }],
      [{ type: 'text-delta', text: '😀b' }],
      [{ type: 'text-delta', text: '\ud83dc' }],
      [],
    ]);
  });

  test('a call that breaks off is cancelled and its text is content, none lost', () => {
    const text = 'Wait. <tool_call>\n<function=f>\n<parameter=text>x';
    const { events, message } = parse(text, { tools, nextId: () => 'call_0' });
    expect(events).toEqual([
      { type: 'text-delta', text: 'Wait. ' },
      { type: 'tool-input-start', id: 'call_0', name: 'f' },
      { type: 'tool-input-delta', id: 'call_0', text: '{"text":"x' },
      { type: 'tool-input-cancelled', id: 'call_0', text: '<tool_call>' },
      { type: 'text-delta', text: text.slice('Wait. <tool_call>'.length) },
    ]);
    expect(message).toEqual({ role: 'assistant', content: text });
  });

  test('an unknown function is never announced', () => {
    const text = block('rm', ['path', '/']);
    expect(parse(text, { tools }).events).toEqual([{ type: 'text-delta', text }]);
    expect(parse(text, {}).events).toEqual([{ type: 'text-delta', text }]);
  });

  test('content and cancelled text add up to the content of the message', () => {
    for (const text of [
      ` \n${block('f', ['text', 'x']).slice(0, -4)}`,
      `${block('f')} and ${block('f').slice(0, 30)}${block('g')}`,
    ]) {
      const { events, message } = parsePieces(text.split(''), { tools });
      let content = '';
      for (const event of events)
        if (event.type === 'text-delta' || event.type === 'tool-input-cancelled') content += event.text;
      expect(content).toBe(message.content);
    }
  });
});

describe('held back until settled', () => {
  test('a call inside an open think, until the think closes', () => {
    const call = block('f', ['text', 'x']);
    const [first, second] = pushes([`<think>a${call}b`, '</think>c']);
    expect(first).toEqual([{ type: 'reasoning-delta', text: 'a' }]);
    expect(second).toEqual([
      { type: 'reasoning-delta', text: `${call}b` },
      { type: 'text-delta', text: 'c' },
    ]);
  });

  test('a call inside an open fence, until the fence closes', () => {
    const call = block('f', ['text', 'x']);
    const [first, second] = pushes([`\`\`\`xml\n${call}\n`, '```\nok']);
    expect(first).toEqual([{ type: 'text-delta', text: '```xml\n' }]);
    expect(second).toEqual([{ type: 'text-delta', text: `${call}\n\`\`\`\nok` }]);
  });

  test('the word alone holds nothing back', () => {
    expect(pushes(['<think>use <tool_call> now'])[0]).toEqual([
      { type: 'reasoning-delta', text: 'use <tool_call> now' },
    ]);
    expect(pushes(['```\n<tool_call> x'])[0]).toEqual([{ type: 'text-delta', text: '```\n<tool_call> x' }]);
  });

  test('fence lines inside the values of a call open no fence', () => {
    const text = block('f', ['text', '\n```py\nx\n']) + block('f', ['text', 'y\n```\n']);
    expect(parse(text, { tools }).message.toolCalls).toHaveLength(2);
  });
});

describe('a call inside a think that is never closed', () => {
  const call = block('f', ['text', 'x']);
  const text = `<think>need ${call}`;

  test('move, the default: ends the reasoning and is delivered', () => {
    const { message, unclosedThink } = parse(text, { tools });
    expect(message).toEqual(expect.objectContaining({ reasoning: 'need ', content: '' }));
    expect(message.toolCalls).toHaveLength(1);
    expect(unclosedThink).toBe(true);
  });
  test('keep: is delivered and stays in the reasoning', () => {
    const { message, events } = parse(`${text} ok`, { tools, rescue: 'keep', nextId: () => 'c' });
    expect(message).toEqual({
      role: 'assistant',
      reasoning: `need ${call} ok`,
      content: '',
      toolCalls: [{ id: 'c', name: 'f', arguments: '{"text":"x"}' }],
    });
    expect(events.filter((event) => event.type === 'text-delta')).toEqual([]);
  });
  test('ignore: is reasoning, and nothing is held back for it', () => {
    expect(parse(text, { tools, rescue: 'ignore' }).message).toEqual({
      role: 'assistant',
      reasoning: `need ${call}`,
      content: '',
    });
    expect(pushes([text], { rescue: 'ignore' })[0]).toEqual([{ type: 'reasoning-delta', text: `need ${call}` }]);
  });
  test('an example in a closed fence is passed over, one in an open fence is not', () => {
    const fenced = `<think>\n\`\`\`\n${call}\n\`\`\`\n`;
    expect(parse(fenced, { tools }).message.toolCalls).toBeUndefined();
    expect(parse(`${fenced}now ${call}`, { tools }).message.reasoning).toBe(`${fenced.slice('<think>'.length)}now `);
    expect(parse(`<think>\n\`\`\`\n${call}`, { tools }).message.toolCalls).toHaveLength(1);
  });
});

test('after a rescued call the text goes on and none of it is lost', () => {
  const { message } = parse(`<think>a${block('g')}b\n\`\`\`\n<tool_call> `, { tools });
  expect(message.content).toBe('b\n```\n<tool_call> ');
});

describe('a think that is never closed can be the answer', () => {
  const options = { tools, unclosedThink: 'content' } as const;
  test('then nothing of it is shown before it ends', () => {
    expect(pushes(['<think>all ', 'of it'], options)).toEqual([[], [], [{ type: 'text-delta', text: 'all of it' }]]);
    expect(parse(`<think>all ${block('g')}`, options).message).toEqual(
      expect.objectContaining({ content: 'all ', toolCalls: [expect.anything()] }),
    );
  });
  test('one that is closed is reasoning all the same', () => {
    expect(parse('<think>a</think>b', options).message).toEqual({ role: 'assistant', reasoning: 'a', content: 'b' });
  });
});

describe('the call as it was made', () => {
  test('source is the block, with the white space that was dropped before it', () => {
    const { toolCalls } = parse(`\n\n${block('f')}\n${block('g')}`, { tools }).message;
    expect(toolCalls!.map((call) => call.source)).toEqual([`\n\n${block('f')}`, `\n${block('g')}`]);
  });
  test('functions that share a block have no source of their own', () => {
    const { toolCalls } = parse('<tool_call><function=f></function><function=g></function></tool_call>', {
      tools,
    }).message;
    expect(toolCalls!.map(({ name, source }) => [name, source])).toEqual([
      ['f', undefined],
      ['g', undefined],
    ]);
  });
  test('one unknown function spoils the block', () => {
    const text = '<tool_call><function=f></function><function=rm></function></tool_call>';
    expect(parse(text, { tools }).message).toEqual({ role: 'assistant', content: text });
  });
  test('a value that does not fit is a string with a flag', () => {
    const { toolCalls } = parse(block('f', ['count', 'five'], ['text', 'ok']), { tools }).message;
    expect(toolCalls![0]).toEqual(
      expect.objectContaining({
        arguments: '{"count":"five","text":"ok"}',
        flags: [{ parameter: 'count', problem: 'type-mismatch' }],
      }),
    );
  });
  test('a repeated key keeps its last value in its last place', () => {
    const { toolCalls } = parse(block('f', ['text', 'a'], ['count', '1'], ['text', 'b']), { tools }).message;
    expect(toolCalls![0]!.arguments).toBe('{"count":1,"text":"b"}');
  });
  test('ids are unique', () => {
    const { toolCalls } = parse(block('f').repeat(100), { tools }).message;
    expect(new Set(toolCalls!.map((call) => call.id)).size).toBe(100);
  });
});

test('after end() a parser is done, another is as new', () => {
  const parser = createParser({ tools });
  parser.push('<think>a');
  parser.end();
  expect(eventsOf(parse('b', { tools }).events)).toEqual([{ type: 'text-delta', text: 'b' }]);
});
