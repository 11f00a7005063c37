// The split rules by name, and the regular expressions they stand for in a tokenizer.json.
import { plainWords } from '../ascii-word.ts';
import { Automaton } from './automaton.ts';
import { chain } from './chain.ts';
import { cl100kScanner } from './cl100k.ts';
import { deepseekScanner, hanKanaScanner } from './deepseek.ts';
import { digitsScanner } from './digits.ts';
import { gpt2Scanner } from './gpt2.ts';
import { o200kScanner } from './o200k.ts';
import type { Splitter } from './pieces.ts';
import type { Scanner } from './runs.ts';
import { ScannerSplitter } from './splitter.ts';

export type SplitRule =
  | 'qwen2'
  | 'llama3'
  | 'gpt2'
  | 'o200k'
  | 'digits'
  | 'digits-3'
  | 'digit-runs'
  | 'han-kana'
  | 'deepseek-v3';

const scanners: Record<SplitRule, Scanner> = {
  qwen2: cl100kScanner(1),
  llama3: cl100kScanner(3),
  gpt2: gpt2Scanner,
  o200k: o200kScanner,
  digits: digitsScanner(1),
  'digits-3': digitsScanner(3),
  'digit-runs': digitsScanner(Infinity),
  'han-kana': hanKanaScanner,
  'deepseek-v3': deepseekScanner,
};

/** One scanner for rules that cut one inside the other, outermost first. */
export function scannerFor(rules: readonly SplitRule[]): Scanner {
  return chain(rules.map((rule) => scanners[rule]));
}

/** One splitter likewise; where a rule has an automaton that is it. */
export function splitterFor(rules: readonly SplitRule[]): Splitter {
  const only = rules.length === 1 ? rules[0] : undefined;
  if (only === 'qwen2') return new Automaton(1);
  if (only === 'llama3') return new Automaton(3);
  return new ScannerSplitter(scannerFor(rules), plainWords(rules));
}

interface KnownSplit {
  readonly rule: SplitRule;
  /** Every character belongs to a match, so that keeping matches only and isolating them are the same. */
  readonly covers: boolean;
}

const suffix = String.raw`\s*[\r\n]+|\s+(?!\S)|\s+`;
const contractions = "'s|'t|'re|'ve|'m|'ll|'d";
const upper = String.raw`[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]`;
const lower = String.raw`[\p{Ll}\p{Lm}\p{Lo}\p{M}]`;
const prefix = String.raw`[^\r\n\p{L}\p{N}]?`;
const others = String.raw` ?[^\s\p{L}\p{N}]+`;

const known = new Map<string, KnownSplit>([
  [String.raw`(?i:${contractions})|${prefix}\p{L}+|\p{N}|${others}[\r\n]*|${suffix}`, { rule: 'qwen2', covers: true }],
  [
    String.raw`(?i:${contractions})|${prefix}\p{L}+|\p{N}{1,3}|${others}[\r\n]*|${suffix}`,
    { rule: 'llama3', covers: true },
  ],
  [
    String.raw`${prefix}${upper}*${lower}+(?i:${contractions})?|${prefix}${upper}+${lower}*(?i:${contractions})?|\p{N}{1,3}|${others}[\r\n/]*|${suffix}`,
    { rule: 'o200k', covers: true },
  ],
  [String.raw`${contractions}| ?\p{L}+| ?\p{N}+|${others}|\s+(?!\S)|\s+`, { rule: 'gpt2', covers: true }],
  [String.raw`\p{N}{1,3}`, { rule: 'digits-3', covers: false }],
  ['[一-龥぀-ゟ゠-ヿ]+', { rule: 'han-kana', covers: false }],
  [
    String.raw`[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_` +
      '`' +
      String.raw`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|` +
      suffix,
    { rule: 'deepseek-v3', covers: false },
  ],
]);

/** The rule a regular expression stands for; line ends may be written as escapes or as themselves. */
export function knownSplit(expression: string): KnownSplit | undefined {
  return known.get(expression.replaceAll('\r', String.raw`\r`).replaceAll('\n', String.raw`\n`));
}
