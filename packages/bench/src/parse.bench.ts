// Parsing an answer while it arrives, a token at a time (C11): plain text, reasoning, a call with a long argument; short and
// 200,000 tokens long, for the cost per token must not grow. Processor time: parsing is one thread's work.
import { createParser } from '@mimokit/chat-template';
import { processorClock, publish, race } from './harness.ts';

const rounds = Number(process.env['MIMOKIT_BENCH_ROUNDS'] ?? 9);
const words =
  'The model writes a sentence, and then another one: it counts 1, 2, 3 and goes on.\nSo it goes, line after line. '.match(
    /\s?[\w]+|[^\w]/g,
  )!;
const tools = [{ name: 'write', parameters: { type: 'object', properties: { text: { type: 'string' } } } }];

/** `count` pieces of about a token each, between a beginning and an end. */
function pieces(begin: string[], count: number, end: string[]): string[] {
  return [...begin, ...Array.from({ length: count }, (_, i) => words[i % words.length]!), ...end];
}

const shapes = {
  'plain text': (count: number) => pieces([], count, []),
  reasoning: (count: number) => pieces(['<think>'], count, ['</think>', 'Done.']),
  'a string argument': (count: number) =>
    pieces(['<tool_call>', '\n', '<function=', 'write', '>', '\n', '<parameter=', 'text', '>'], count, [
      '</parameter>',
      '\n',
      '</function>',
      '\n',
      '</tool_call>',
    ]),
};

function parseAll(tokens: readonly string[]): void {
  const parser = createParser({ tools });
  let events = 0;
  for (const token of tokens) events += parser.push(token).length;
  const { message } = parser.end();
  if (events === 0 || message.role !== 'assistant') throw new Error('nothing was parsed');
}

const rows = [];
for (const [shape, make] of Object.entries(shapes)) {
  const short = make(2000);
  const long = make(200_000);
  // The same number of tokens on both sides: what differs is only how long the answers are.
  const [shortRun, longRun] = await race(
    [
      {
        name: 'short',
        run: () => {
          for (let i = 0; i < 100; i++) parseAll(short);
        },
      },
      { name: 'long', run: () => parseAll(long) },
    ],
    rounds,
    processorClock,
  );
  const perToken = (median: number): number => (median / 200_000) * 1000;
  const isGoal = shape === 'plain text';
  rows.push({
    ...(isGoal ? { goal: 'C11', target: 0.5, atMost: true } : {}),
    op: 'parse',
    shape: `${shape}, 2,000 tokens`,
    value: perToken(shortRun!.median),
    unit: 'µs/token',
    spread: shortRun!.spread,
  });
  rows.push({
    ...(isGoal ? { goal: 'C11', target: 0.5, atMost: true } : {}),
    op: 'parse',
    shape: `${shape}, 200,000 tokens`,
    value: perToken(longRun!.median),
    unit: 'µs/token',
    spread: longRun!.spread,
  });
  rows.push({
    op: 'parse, slope',
    shape: `${shape}, last against first tenth of 200,000 tokens`,
    value: slope(long) * 100,
    unit: '%',
    ...(isGoal ? { goal: 'C11', target: 1, atMost: true } : {}),
  });
}
publish('parse', rows);

/** How much more the last tenth of the tokens costs than the first, from the cheapest of many rounds: 0.01 is one percent. */
function slope(tokens: readonly string[]): number {
  const tenth = tokens.length / 10;
  let first = Number.POSITIVE_INFINITY;
  let last = Number.POSITIVE_INFINITY;
  for (let round = 0; round < rounds * 5; round++) {
    const parser = createParser({ tools });
    const push = (from: number, to: number): number => {
      const begin = processorClock();
      let events = 0;
      for (let i = from; i < to; i++) events += parser.push(tokens[i]!).length;
      if (events === 0) throw new Error('nothing was parsed');
      return processorClock() - begin;
    };
    // The opening tokens are no plain part of the answer.
    push(0, 20);
    first = Math.min(first, push(20, tenth));
    push(tenth, tokens.length - tenth);
    last = Math.min(last, push(tokens.length - tenth, tokens.length - 20));
  }
  return last / first - 1;
}
