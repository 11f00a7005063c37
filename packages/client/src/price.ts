// What an answer costs: usage × price. Prices are data; nothing here is measured or asked from a server.
import { MimoError, type Usage } from '@mimokit/protocol';

/** Per million tokens, in one currency. */
export interface Price {
  /** ISO 4217. */
  readonly currency: string;
  /** Prompt tokens that were not in the server's cache. */
  readonly input: number;
  /** Prompt tokens that were. */
  readonly cached: number;
  /** Everything the model wrote, reasoning included. */
  readonly output: number;
}

export interface Cost {
  currency: string;
  /** In units of the currency. */
  input: number;
  cached: number;
  output: number;
  /** The part of `output` that was reasoning. */
  reasoning: number;
  total: number;
}

/** The hosted platform's list prices as published in 2026, by model. Yours may differ: pass your own to costOf. */
export const prices: Readonly<Record<'mimo-v2-flash', Price>> = {
  'mimo-v2-flash': { currency: 'USD', input: 0.1, cached: 0.01, output: 0.3 },
};

/** The cost of one answer, or of many whose usage was added up. Throws `invalid-argument` for a price that is none. */
export function costOf(usage: Usage, price: Price): Cost {
  for (const field of ['input', 'cached', 'output'] as const) {
    if (price[field] >= 0 && price[field] < Infinity) continue;
    throw new MimoError(
      'invalid-argument',
      `price.${field} is ${price[field]}; it must be an amount per million tokens.`,
      {
        hint: "Pass a whole price, for example prices['mimo-v2-flash'].",
        field,
      },
    );
  }
  // Some servers count cached tokens of an earlier try too: never more than the prompt.
  const cachedTokens = Math.min(usage.cachedTokens, usage.promptTokens);
  const input = ((usage.promptTokens - cachedTokens) * price.input) / 1e6;
  const cached = (cachedTokens * price.cached) / 1e6;
  const output = (usage.completionTokens * price.output) / 1e6;
  const reasoning = (Math.min(usage.reasoningTokens, usage.completionTokens) * price.output) / 1e6;
  return { currency: price.currency, input, cached, output, reasoning, total: input + cached + output };
}
