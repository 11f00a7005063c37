// The states of a guided answer, with one id per character: no tag is an id of its own here.
import { describe, expect, test } from 'vitest';
import type { ForcedTool } from './call-guide.ts';
import { type AnswerPlan, chatGuide } from './chat-guide.ts';
import { givenBy, type Guide } from './guide.ts';

const end = 1;
const encode = (text: string): number[] => [...text].map((character) => character.codePointAt(0)!);
const decode = (id: number): string => (id === end ? '' : String.fromCodePoint(id));
const plan = (rest: Partial<AnswerPlan>): AnswerPlan => ({
  output: 'auto',
  thinkingBudget: undefined,
  call: undefined,
  text: { encode, decode },
  ...rest,
});
const callOf = (names: string[], endId?: number, frame: Partial<ForcedTool> = {}): AnswerPlan['call'] => ({
  tools: names.map((name) => ({
    opening: encode(`<tool_call>\n<function=${name}>\n`),
    parameters: undefined,
    required: [],
    ...frame,
  })),
  stopIds: [end],
  endId,
});

/** What is written when the model says `words`, one character whenever it may choose; a banned one is an error. */
function written(start: Guide | undefined, words: string): string {
  let text = '';
  let guide = start;
  const say = (id: number): void => {
    text += id === end ? '|' : decode(id);
    guide = guide?.after(id);
  };
  const given = (): void => {
    for (let id = givenBy(guide?.demand); id !== undefined; id = givenBy(guide?.demand)) say(id);
  };
  given();
  for (const id of encode(words)) {
    const demand = guide?.demand;
    const isFree = demand === undefined || ('ban' in demand ? !demand.ban.includes(id) : demand.allow.includes(id));
    if (!isFree) throw new Error(`${decode(id)} is not allowed after ${text}`);
    say(id);
    given();
  }
  return text;
}

describe('a thinking budget', () => {
  test('closes the reasoning after that many ids', () => {
    const guide = chatGuide(plan({ thinkingBudget: 5 }));
    expect(written(guide, '<think>abcdefgh')).toBe('<think>abcde</think>fgh');
    expect(written(guide, ' \n<think>abcdefgh')).toBe(' \n<think>abcde</think>fgh');
    expect(written(chatGuide(plan({ thinkingBudget: 0 })), '<think>x')).toBe('<think></think>x');
  });

  test('counts from the start when the prompt ended inside reasoning', () => {
    expect(written(chatGuide(plan({ thinkingBudget: 2, output: 'reasoning' })), 'abcd')).toBe('ab</think>cd');
  });

  test('leaves alone what closes earlier, never begins, or comes later', () => {
    const guide = chatGuide(plan({ thinkingBudget: 12 }));
    for (const text of ['<think>ab</think>cdefghijklmnopq', 'a<think>bcdefghijklmnopq', '<thin>abcdefghijklmnopqrs']) {
      expect(written(guide, text)).toBe(text);
    }
  });
});

describe('a forced call', () => {
  test('is opened at once after closed reasoning, and is the end when it has a name', () => {
    const guide = chatGuide(plan({ output: 'content', call: callOf(['f'], end) }));
    expect(written(guide, '</function></tool_call>')).toBe('<tool_call>\n<function=f>\n</function></tool_call>|');
  });

  test('lets the model choose between names, also when one begins like another', () => {
    const guide = chatGuide(plan({ output: 'content', call: callOf(['get', 'get_time', 'set']) }));
    expect(written(guide, 'g>x</tool_call>y')).toBe('<tool_call>\n<function=get>\nx</tool_call>y');
    expect(written(guide, 'g_x')).toBe('<tool_call>\n<function=get_time>\nx');
    expect(written(guide, 'sx')).toBe('<tool_call>\n<function=set>\nx');
    expect(() => written(guide, 'x')).toThrow(/not allowed/);
  });

  test('comes after reasoning, if the model thinks first, and the answer cannot end before it', () => {
    // `<think>` and `<tool_call>` part at the third character.
    const guide = chatGuide(plan({ call: callOf(['f', 'g']), thinkingBudget: 4 }));
    expect(written(guide, 'hsix.gx')).toBe('<think>six.</think><tool_call>\n<function=g>\nx');
    expect(written(guide, 'ogx')).toBe('<tool_call>\n<function=g>\nx');
    const stop = String.fromCodePoint(end);
    for (const words of [`hs${stop}`, `ogx${stop}`]) expect(() => written(guide, words)).toThrow(/not allowed/);
    expect(written(guide, `og</tool_call>${stop}`)).toMatch(/\|$/);
  });
});

describe('the frame of the arguments', () => {
  const guide = (parameters: string[], required: string[]) =>
    chatGuide(plan({ output: 'content', call: callOf(['f'], end, { parameters, required }) }));
  const call = (body: string) => `<tool_call>\n<function=f>\n${body}</function>\n</tool_call>|`;

  test('is given where there is no choice: the model writes values only', () => {
    expect(written(guide(['a'], ['a']), '7</parameter>')).toBe(call('<parameter=a>7</parameter>\n'));
  });

  test('leaves the choice of parameters and of their end, each once and the required ones for sure', () => {
    const all = guide(['a', 'b', 'long'], ['b']);
    expect(written(all, 'b7</parameter>/')).toBe(call('<parameter=b>7</parameter>\n'));
    expect(written(all, 'ax\ny</parameter>b</parameter>/')).toBe(
      call('<parameter=a>x\ny</parameter>\n<parameter=b></parameter>\n'),
    );
    expect(() => written(all, 'ax</parameter>/')).toThrow(/not allowed/);
    expect(() => written(all, 'aa</parameter>a')).toThrow(/not allowed/);
  });

  test('cannot be left by a value that never closes its tag', () => {
    expect(() => written(guide(['a'], []), `p1${String.fromCodePoint(end)}`)).toThrow(/not allowed/);
  });
});

test('without a wish there is no guide', () => {
  expect(chatGuide(plan({}))).toBeUndefined();
  expect(chatGuide(plan({ thinkingBudget: 3, output: 'content' }))).toBeUndefined();
});
