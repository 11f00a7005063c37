// What a server did under load beside another one, as rows of a table.
import type { BenchResult } from '../row.ts';

export interface Figures {
  model: string;
  tokensPerSecond: number;
  /** First tokens in milliseconds: of clients that ask again as soon as they are answered. */
  first: { median: number; p99: number };
  /** The same of as many prompts as there are streams, all at once, none seen before. */
  firstAtOnce: { median: number; p99: number };
  answers: number;
  /** Not what the model says alone. */
  wrong: number;
  notWhole: number;
  /** Of 200 malformed bodies: answered 5xx, and not answered. */
  failed: number;
  dropped: number;
  survivesDepth: boolean;
}

export function rowsOf(load: string, mine: Figures, theirs: Figures): BenchResult[] {
  const shape = `${load}; ${mine.model} beside ${theirs.model}`;
  const peer = (value: number | string): string =>
    `llama.cpp ${typeof value === 'number' ? Number(value.toPrecision(4)) : value}`;
  const time = (op: string, own: number, other: number): BenchResult => ({
    op,
    shape,
    value: own,
    unit: 'ms',
    peer: peer(other),
    ratio: other / own,
    target: 1,
  });
  const count = (op: string, own: number, other: string, unit: string): BenchResult => ({
    op,
    shape,
    value: own,
    unit,
    peer: peer(other),
    target: 0,
    atMost: true,
  });
  return [
    {
      op: 'throughput',
      shape,
      value: mine.tokensPerSecond,
      unit: 'tokens/s',
      peer: peer(theirs.tokensPerSecond),
      ratio: mine.tokensPerSecond / theirs.tokensPerSecond,
      target: 1,
    },
    time('first token, median', mine.first.median, theirs.first.median),
    time('first token, p99', mine.first.p99, theirs.first.p99),
    time('first token of prompts all at once, median', mine.firstAtOnce.median, theirs.firstAtOnce.median),
    time('first token of prompts all at once, p99', mine.firstAtOnce.p99, theirs.firstAtOnce.p99),
    count(
      'streams not equal to offline greedy',
      mine.wrong,
      `${theirs.wrong} of ${theirs.answers}`,
      `of ${mine.answers}`,
    ),
    count('streams lost', mine.notWhole, String(theirs.notWhole), `of ${mine.answers + mine.notWhole}`),
    count('malformed bodies answered 5xx', mine.failed, `${theirs.failed} of 200`, 'of 200'),
    count('malformed bodies not answered', mine.dropped, `${theirs.dropped} of 200`, 'of 200'),
    count('killed by JSON nested 100,000 deep', mine.survivesDepth ? 0 : 1, theirs.survivesDepth ? '0' : '1', 'of 1'),
  ];
}
