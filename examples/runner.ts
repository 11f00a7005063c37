// The runner of the examples: the native one where it loads, else the TypeScript one. An app would simply name one.
import { nativeRunner } from '@mimokit/kernels';
import { isMimoError, type RunnerFactory } from '@mimokit/protocol';
import { jsRunner } from '@mimokit/runner-js/node';

export const pickedRunner: RunnerFactory = async (directory, options) => {
  try {
    return await nativeRunner(directory, options);
  } catch (error) {
    if (!isMimoError(error, 'native-not-found')) throw error;
    return jsRunner(directory, options);
  }
};
