// Which runner a command uses: the native one where it loads, else the TypeScript one, and how to say so.
import { type CheckpointInfo, isMimoError, MimoError, type RunnerFactory } from '@mimokit/protocol';

type RunnerName = 'cpu' | 'js';

export interface PickedRunner {
  name: RunnerName;
  open: RunnerFactory;
  /** Why the native runner was not taken, when nobody asked for the other. */
  notice?: string;
}

/** `cpu` and `js` are taken by word; without a wish the native runner, if this machine can load it. */
export async function pickRunner(wish: string | undefined): Promise<PickedRunner> {
  if (wish !== undefined && wish !== 'cpu' && wish !== 'js') {
    throw new MimoError('invalid-argument', `--runner ${wish} is not known.`, {
      hint: 'Use --runner cpu or --runner js.',
    });
  }
  if (wish === 'js') return { name: 'js', open: await jsRunner() };
  try {
    // An optional dependency: its package may be missing, and so may the binary for this platform.
    const { machineReport, nativeRunner } = await import('@mimokit/kernels');
    machineReport();
    return { name: 'cpu', open: nativeRunner };
  } catch (error) {
    if (wish === 'cpu') throw error;
    const reason = isMimoError(error) ? error.message.split('\n')[0] : '@mimokit/kernels is not installed';
    return { name: 'js', open: await jsRunner(), notice: `Running on the TypeScript runner: ${reason}` };
  }
}

async function jsRunner(): Promise<RunnerFactory> {
  const module = await import('@mimokit/runner-js/node');
  return module.jsRunner;
}

/** A checkpoint's headers through whichever reader this machine has. */
export async function readCheckpointInfo(directory: string): Promise<CheckpointInfo> {
  const { name } = await pickRunner(undefined);
  if (name === 'cpu') return (await import('@mimokit/kernels')).checkpointInfo(directory);
  return (await import('@mimokit/runner-js/node')).checkpointInfo(directory);
}
