// The automaton cuts where the scanner of the same rule cuts, which follows the regular expression branch by branch; and
// where the regular expression itself cuts.
import { expect, test } from 'vitest';
import { Automaton } from '../src/pretokenize/automaton.ts';
import { pieceStarts } from '../src/pretokenize/pieces.ts';
import { scannerFor } from '../src/pretokenize/rules.ts';
import { randomNumbers, randomText } from './random-text.ts';

const utf8 = new TextEncoder();
const text = new TextDecoder();
const rules = { qwen2: 1, llama3: 3 } as const;

function padded(source: string): { bytes: Uint8Array; length: number } {
  const encoded = utf8.encode(source);
  const bytes = new Uint8Array(encoded.length + 16).fill(0x20);
  bytes.set(encoded);
  return { bytes, length: encoded.length };
}

function byAutomaton(source: string, rule: keyof typeof rules): string[] {
  const { bytes, length } = padded(source);
  const automaton = new Automaton(rules[rule]);
  automaton.begin();
  const pieces: string[] = [];
  for (;;) {
    const count = automaton.next(bytes, new DataView(bytes.buffer), length);
    if (count === 0) return pieces;
    for (let i = 0; i < count; i++) pieces.push(text.decode(bytes.subarray(pieceStarts[i], pieceStarts[i + 1])));
  }
}

function byScanner(source: string, rule: keyof typeof rules): string[] {
  const { bytes, length } = padded(source);
  const scan = scannerFor([rule]);
  const pieces: string[] = [];
  for (let at = 0; at < length;) {
    const end = scan(bytes, at, length);
    pieces.push(text.decode(bytes.subarray(at, end)));
    at = end;
  }
  return pieces;
}

function byExpression(source: string, rule: keyof typeof rules): string[] {
  const numbers = rule === 'qwen2' ? String.raw`\p{N}` : String.raw`\p{N}{1,3}`;
  const expression = String.raw`(?:'[sStTmMdDſ]|'[rR][eE]|'[vV][eE]|'[lL][lL])|[^\r\n\p{L}\p{N}]?\p{L}+|${numbers}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`;
  return source.match(new RegExp(expression, 'gu')) ?? [];
}

const parts =
  "'s|'RE|'ll|'ſ|'| |  |\n|\r|\t|a|B|7|٣|(|)|.|é|中|，|\u00a0|\u3000|\u2028|한|😀|don't|0|\u200b|\u000b|、|ー|½".split(
    '|',
  );

test.each(['qwen2', 'llama3'] as const)('%s: every sequence of up to three parts', (rule) => {
  for (const a of parts)
    for (const b of parts)
      for (const c of [...parts, '']) {
        const source = a + b + c;
        expect(byAutomaton(source, rule)).toEqual(byExpression(source, rule));
      }
});

test.each(['qwen2', 'llama3'] as const)('%s: random texts, beyond one block', (rule) => {
  const next = randomNumbers(8);
  for (let i = 0; i < 60; i++) {
    const source = i % 2 === 0 ? randomText(next, 9000) : sequence(next, 9000);
    expect(byAutomaton(source, rule)).toEqual(byScanner(source, rule));
  }
});

function sequence(next: () => number, size: number): string {
  return Array.from({ length: size }, () => parts[Math.floor(next() * parts.length)]).join('');
}

test.each(['a', ' ', '\n', '\n ', '\r\n  ', "'", '，', '7', '\u3000'])('%j without end', (unit) => {
  const source = unit.repeat(13_000);
  for (const rule of ['qwen2', 'llama3'] as const) expect(byAutomaton(source, rule)).toEqual(byScanner(source, rule));
});
