import { describe, expect, test } from 'vitest';
import { createRepetitionGuard, type Repetition, type RepetitionOptions } from './repetition.ts';

function firstLoop(text: string, step: number, options?: RepetitionOptions): Repetition | undefined {
  const guard = createRepetitionGuard(options);
  for (let at = 0; at < text.length; at += step) {
    const found = guard.push(text.slice(at, at + step));
    if (found) return found;
  }
  return undefined;
}

const sentence = 'Wait, let me check that once more. ';
const prose = Array.from({ length: 4000 }, (_, i) => `word${(i * 7919) % 1009} `).join('');

describe('a loop is reported', () => {
  test.each([
    ['a sentence', sentence],
    ['a character', '!'],
    ['a paragraph of 500', prose.slice(0, 500)],
  ])('%s', (_, unit) => {
    const found = firstLoop(prose.slice(0, 3000) + unit.repeat(Math.ceil(9000 / unit.length)), 7)!;
    expect(found.text.length).toBe(unit.length);
    expect((unit + unit).includes(found.text)).toBe(true);
    expect(found.length).toBeGreaterThanOrEqual(1024);
  });
  test('the same one for every split', () => {
    const text = prose.slice(0, 3000) + sentence.repeat(200);
    const whole = firstLoop(text, text.length);
    for (const step of [1, 3, 64, 5000]) expect(firstLoop(text, step)).toEqual(whole);
  });
});

describe('what is no loop is not', () => {
  test.each([
    ['prose', prose],
    ['a loop that is too short', prose + sentence.repeat(5) + prose],
    ['a period that is too long', prose.slice(0, 3000).repeat(9)],
    ['rulers between lines', Array.from({ length: 200 }, (_, i) => `${'-'.repeat(80)}\nrow ${i * 31}\n`).join('')],
  ])('%s', (_, text) => expect(firstLoop(text, 50)).toBeUndefined());
  test('unless the limits say so', () =>
    expect(firstLoop(prose + sentence.repeat(20), 50, { minLength: 100 })).toBeDefined());
});
