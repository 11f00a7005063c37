import { expect, test } from 'vitest';
import { TurnMemory } from './turn-memory.ts';

const ids = (...values: number[]): Int32Array => Int32Array.from(values);

test('recalls the longest text that the new one begins with', () => {
  const memory = new TurnMemory();
  memory.remember('one.', ids(1));
  memory.remember('one.two.', ids(1, 2));
  memory.remember('two.', ids(2));
  expect(memory.recall('one.two.three')).toEqual({ length: 8, ids: ids(1, 2) });
  expect(memory.recall('one.more')).toEqual({ length: 4, ids: ids(1) });
  expect(memory.recall('three')).toBeUndefined();
});

test('is bounded by entries and by characters, and forgets what was not used longest', () => {
  const memory = new TurnMemory(2, 10);
  memory.remember('aaaa', ids(1));
  memory.remember('bbbb', ids(2));
  memory.recall('aaaa');
  memory.remember('cc', ids(3));
  expect(memory.recall('bbbb')).toBeUndefined();
  memory.remember('dddddddd', ids(4));
  expect(memory.recall('aaaa')).toBeUndefined();
  memory.remember('eeeeeeeeeee', ids(5));
  expect(memory.recall('eeeeeeeeeee')).toBeUndefined();
  expect(memory.recall('cc')?.ids).toEqual(ids(3));
});
