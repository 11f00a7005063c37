// The tiny model of @mimokit/nano, natively where the binding is there, else in TypeScript; one thread.
import { nativeRunner } from '@mimokit/kernels';
import { modelDirectory } from '@mimokit/nano';
import { isMimoError } from '@mimokit/protocol';
import { jsRunner } from '@mimokit/runner-js/node';
import { type LocalModel, openModel } from '@mimokit/runtime';

export async function openNano(): Promise<LocalModel> {
  const runnerOptions = { threads: 1 };
  try {
    return await openModel(modelDirectory(), { runner: nativeRunner, runnerOptions });
  } catch (error) {
    if (!isMimoError(error, 'native-not-found')) throw error;
    return openModel(modelDirectory(), { runner: jsRunner, runnerOptions });
  }
}
