// The laws of the step (docs/step.md), for each way to store keys and values and each instruction set.
import { fixturePath } from '@mimokit/fixtures';
import { machineReport, type NativeRunnerOptions, openNativeRunner } from '@mimokit/kernels';
import { runnerLaws } from '@mimokit/protocol/testing';
import { describe, test } from 'vitest';
import { promptsOf } from './goldens.ts';

// Small models are run on one thread but where threads are the point: two threads on them mostly wait for each other.
const setups: { model: string; options: NativeRunnerOptions }[] = [
  ...machineReport()
    .levels.slice(1)
    .map((level) => ({ model: 't1-bf16', options: { level, threads: 1 } })),
  { model: 't1-fp8', options: { kv: 'fp8', activations: 'fp8', threads: 1 } },
  { model: 't2-fp8', options: { kv: 'bf16', threads: 3 } },
  // A window shorter than a draft chain: every ring slot is rewritten all the time.
  { model: 't1-bf16', options: { windowKeys: 2, threads: 1 } },
];

for (const { model, options } of setups) {
  describe(`${model} ${JSON.stringify(options)}`, () => {
    const prompts = promptsOf(model)
      .map(({ ids }) => ids.slice(0, 60))
      .filter((ids) => ids.length >= 6);
    if (prompts.length < 2) prompts.push(prompts[0].slice(3, 14));
    const open = (wanted: NativeRunnerOptions): ReturnType<typeof openNativeRunner> =>
      openNativeRunner(fixturePath('models', model), { ...options, ...wanted });
    for (const law of runnerLaws(open, prompts.slice(0, 3))) test(law.name, law.check);
  });
}
