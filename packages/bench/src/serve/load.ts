// Clients that ask one question after the other: the load of the server's benches, whichever server it is.
import { quantile } from '../harness.ts';
import type { Question } from './questions.ts';
import { type Outcome, stream } from './stream.ts';

export interface Tally {
  outcomes: Outcome[];
  /** Of whole answers. */
  tokens: number;
  /** Whole answers that are not the offline ones. */
  wrong: number;
  seconds: number;
}

export interface LoadOptions {
  url: URL;
  questions: readonly Question[];
  clients: number;
  /** Whether a client that has been answered `turns` times, `started` at that time, asks once more. */
  goesOn: (turns: number, started: number) => boolean;
}

/** Every client asks again as soon as it is answered; one that is told to come again does so when it was told to. */
export async function load({ url, questions, clients, goesOn }: LoadOptions): Promise<Tally> {
  const tally: Tally = { outcomes: [], tokens: 0, wrong: 0, seconds: 0 };
  const started = performance.now();
  const client = async (index: number): Promise<void> => {
    for (let turn = 0; goesOn(turn, started); turn++) {
      const question = questions[(index + turn * 7) % questions.length];
      const outcome = await stream(url, question.path, question.body);
      tally.outcomes.push(outcome);
      if (outcome.end === 'whole') {
        tally.tokens += question.tokens;
        if (outcome.text !== question.answer) tally.wrong++;
      }
      if (outcome.end === 'busy') await pause(outcome.retryAfterMs * (1 + (index % 8) / 8));
    }
  };
  await Promise.all(Array.from({ length: clients }, (_, index) => client(index)));
  tally.seconds = (performance.now() - started) / 1000;
  return tally;
}

/** Median and p99 of the whole answers' first tokens, in milliseconds. */
export function firstTokens({ outcomes }: Pick<Tally, 'outcomes'>): { median: number; p99: number } {
  const times = outcomes.filter(({ end }) => end === 'whole').map(({ firstTokenMs }) => firstTokenMs);
  times.sort((a, b) => a - b);
  return { median: quantile(times, 0.5), p99: quantile(times, 0.99) };
}

export function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
