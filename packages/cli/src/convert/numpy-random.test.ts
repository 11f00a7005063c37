// Draws of numpy 2.4.6, normal ones as float32, which is what the converter keeps of them.
import { expect, test } from 'vitest';
import { NumpyRandom } from './numpy-random.ts';

test.each([
  [
    0,
    [0.31848084366072715, 0.13489335688193516, 0.020486761968097345],
    [0.10490011423826218, -0.5356693863868713, 0.3615950644016266],
  ],
  [
    1,
    [0.25591081235012836, 0.47523184816296765, 0.07207980635981687],
    [-1.3031572103500366, 0.9053558707237244, 0.4463745653629303],
  ],
  [
    12345,
    [0.11366801123358483, 0.15837916985487643, 0.39868272866636706],
    [-0.2591732442378998, -0.0753433033823967, -0.7408846616744995],
  ],
])('default_rng(%d)', (seed, uniform, normal) => {
  const random = new NumpyRandom(seed);
  expect(uniform.map(() => random.uniform(0, 0.5))).toEqual(uniform);
  expect(normal.map(() => Math.fround(random.standardNormal()))).toEqual(normal);
});

test('a draw from the tail of the normal distribution', () => {
  const random = new NumpyRandom(0);
  const draws = Array.from({ length: 304 }, () => Math.fround(random.standardNormal()));
  expect(draws.at(-1)).toBe(-3.77227520942688);
});
