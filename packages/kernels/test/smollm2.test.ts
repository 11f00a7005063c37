// SmolLM2-135M as a MiMo checkpoint: real text on the native runner, against transformers' greedy ids. The weights are not in the
// repository: MIMOKIT_SMOLLM2 names a folder with the converted checkpoints (scripts/models); without it these tests are skipped.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fixtureJsonl } from '@mimokit/fixtures';
import { openNativeRunner } from '@mimokit/kernels';
import { describe, expect, test } from 'vitest';
import { greedyIds } from './goldens.ts';

interface GreedyGolden {
  id: string;
  prompt_ids: number[];
  tokens: number[];
  /** Largest minus second largest logit per step. */
  margins: number[];
}

/** Below this margin two right engines may differ. */
const tinyMargin = 1e-2;

const root = process.env['MIMOKIT_SMOLLM2'];
const setups = [
  { directory: 'bf16-dense', golden: 'greedy-bf16-dense.jsonl' },
  { directory: 'fp8-dense', golden: 'greedy-fp8-dense.jsonl' },
  { directory: 'bf16-hybrid-moe', golden: 'greedy-bf16-dense.jsonl' },
  { directory: 'fp8-hybrid-moe', golden: 'greedy-fp8-hybrid-moe.jsonl' },
];

for (const { directory, golden } of setups) {
  const path = root === undefined ? undefined : join(root, directory);
  const missing =
    path === undefined ? 'MIMOKIT_SMOLLM2 is not set' : existsSync(path) ? undefined : `${path} is not there`;
  describe(missing === undefined ? directory : `${directory} (skipped: ${missing})`, () => {
    test.skipIf(missing !== undefined)(
      'generates the golden text of every prompt',
      async () => {
        await using runner = await openNativeRunner(path ?? '', { blocks: 64, windows: 1 });
        let equal = 0;
        const goldens = fixtureJsonl<GreedyGolden>('smollm2', golden);
        for (const { id, prompt_ids: prompt, tokens, margins } of goldens) {
          const found = await greedyIds(runner, prompt, tokens.length, { chunk: 512 });
          const at = found.findIndex((token, index) => token !== tokens[index]);
          if (at < 0) equal += 1;
          else expect(margins[at], `${id} differs at ${at}`).toBeLessThan(tinyMargin);
        }
        // Near-ties are rare; an engine that leans on them is wrong.
        expect(equal).toBeGreaterThanOrEqual(goldens.length - 1);
      },
      600_000,
    );
  });
}
