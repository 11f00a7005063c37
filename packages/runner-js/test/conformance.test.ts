// The laws of the step, for each tiny checkpoint and each way to store keys and values.
import { fixtureJson, fixturePath } from '@mimokit/fixtures';
import { runnerLaws } from '@mimokit/protocol/testing';
import { describe, test } from 'vitest';
import { jsRunner } from '../src/node.ts';
import type { ForwardGolden } from './goldens.ts';

const setups = [
  { model: 't1-bf16', options: {} },
  { model: 't1-bf16', options: { kv: 'bf16' } },
  { model: 't1-fp8', options: { kv: 'fp8', activations: 'fp8' } },
  // A window shorter than a draft chain: every ring slot is rewritten all the time.
  { model: 't1-bf16', options: { windowKeys: 2 } },
] as const;

for (const { model, options } of setups) {
  describe(`${model} ${JSON.stringify(options)}`, () => {
    const { prompts } = fixtureJson<ForwardGolden>('goldens', model, 'forward.json');
    const ids = prompts.map((prompt) => prompt.ids.slice(0, 60)).filter((prompt) => prompt.length >= 6);
    if (ids.length < 2) ids.push(ids[0].slice(3, 14));
    const laws = runnerLaws(
      (wanted) => jsRunner(fixturePath('models', model), { ...options, ...wanted }),
      ids.slice(0, 3),
    );
    for (const law of laws) test(`${law.name}`, law.check);
  });
}
