import { resolveSampling } from '@mimokit/protocol';
import { describe, expect, test } from 'vitest';
import { samplingPresets, systemPrompt } from './presets.ts';

const date = new Date('2025-12-16T22:30:00Z');

describe('the day is the one of the time zone', () => {
  test.each([
    ['en', 'UTC', "Today's date: 2025-12-16 Tuesday. "],
    ['en', 'Asia/Seoul', "Today's date: 2025-12-17 Wednesday. "],
    ['zh', 'Asia/Shanghai', '今天的日期：2025-12-17 星期三，'],
    ['ko', 'America/New_York', '오늘 날짜: 2025-12-16 화요일. '],
  ] as const)('%s in %s', (language, timeZone, line) =>
    expect(systemPrompt(language, { date, timeZone })).toContain(line),
  );
});

test('without options it is today, here', () => {
  expect(systemPrompt()).toContain(new Intl.DateTimeFormat('en-US', { weekday: 'long' }).format(new Date()));
});

test.each([
  [() => systemPrompt('fr' as never)],
  [() => systemPrompt('en', { timeZone: 'Mars/Olympus' })],
  [() => systemPrompt('en', { date: new Date(Number.NaN) })],
])('what cannot be told is refused: %s', (act) =>
  expect(act).toThrow(expect.objectContaining({ code: 'invalid-argument' })),
);

test('sampling presets are valid', () => {
  for (const preset of Object.values(samplingPresets))
    expect(resolveSampling(preset)).toEqual(expect.objectContaining(preset));
});
