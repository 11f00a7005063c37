// The real runners that can be loaded here: TypeScript always, native when its binary was built.
import { existsSync } from 'node:fs';
import type { RunnerFactory } from '@mimokit/protocol';
import { jsRunner } from '@mimokit/runner-js/node';

export interface NamedRunner {
  name: string;
  open: RunnerFactory;
}

/** All runners; for native either the runner or the reason why it is not there. */
export async function loadRunners(): Promise<{ runners: NamedRunner[]; missing: string | undefined }> {
  const runners: NamedRunner[] = [{ name: 'js', open: jsRunner }];
  let missing: string | undefined;
  try {
    // Computed, so that type checking does not need the package to be built.
    const specifier = '@mimokit/kernels';
    const kernels = (await import(specifier)) as { nativeRunner: RunnerFactory; loadBinding?: () => unknown };
    await probe(kernels.nativeRunner);
    runners.push({ name: 'native', open: kernels.nativeRunner });
  } catch (error) {
    missing = error instanceof Error ? error.message : String(error);
  }
  return { runners, missing };
}

async function probe(open: RunnerFactory): Promise<void> {
  const { fixturePath } = await import('@mimokit/fixtures');
  const directory = fixturePath('models', 't1-bf16');
  if (!existsSync(directory)) throw new Error('the fixtures are not unpacked');
  await (await open(directory, { blocks: 4, windows: 1 })).dispose();
}
