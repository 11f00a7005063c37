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

/**
 * How much more the last tenth of the tokens costs than the first: 0.01 is one percent. Batches of 500 tokens are short enough
 * to run undisturbed on a busy machine, and their lower quartiles are compared.
 */
function slope(tokens: readonly string[]): number {
  const tenth = tokens.length / 10;
  const first: number[] = [];
  const last: number[] = [];
  for (let round = -3; round < rounds * 3; round++) {
    const parser = createParser({ tools });
    let events = 0;
    for (let from = 0; from + 500 <= tokens.length; from += 500) {
      const begin = performance.now();
      for (let i = from; i < from + 500; i++) events += parser.push(tokens[i]!).length;
      const time = performance.now() - begin;
      // The first batch holds the opening tokens, and the first rounds compile.
      if (round < 0 || from === 0) continue;
      if (from < tenth) first.push(time);
      else if (from >= tokens.length - tenth) last.push(time);
    }
    if (events === 0) throw new Error('nothing was parsed');
  }
  const quartile = (times: number[]): number => times.toSorted((a, b) => a - b)[times.length >> 2]!;
  return quartile(last) / quartile(first) - 1;
}
