// An engine over the mock runner, checked after every step, and the ids it must give.
import { createEngine, type Engine, type EngineParts } from '../src/index.ts';
import { type MockOptions, MockRunner, plainIds, type PlainRequest } from '../src/testing/index.ts';

export const prompt: number[] = [5, 9, 2, 14, 3, 3, 8, 21, 30, 1, 7];

export function engineOf(
  options: MockOptions = {},
  parts: Omit<EngineParts, 'runner'> = {},
): { runner: MockRunner; engine: Engine } {
  const runner = new MockRunner(options);
  return { runner, engine: createEngine({ runner, verify: true, ...parts }) };
}

/** The ids of the plain run: alone, token by token. */
export function plain(request: PlainRequest, options: MockOptions = {}): Promise<number[]> {
  return plainIds(new MockRunner({ ...options, blocks: 256 }), request);
}
