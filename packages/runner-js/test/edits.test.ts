// The table of changed checkpoints that all runners share: the same answer everywhere.
import { checkpointEdits, editedFiles } from '@mimokit/fixtures';
import { isMimoError } from '@mimokit/protocol';
import { expect, test } from 'vitest';
import { createJsRunner } from '../src/index.ts';

test.each(checkpointEdits())('$name: $code', async (edit) => {
  const answer = await createJsRunner(editedFiles(edit)).then(
    () => ({ code: 'ok', text: '' }),
    (error: unknown) => {
      if (!isMimoError(error)) throw error;
      return { code: error.code as string, text: `${error.message} ${JSON.stringify(error.details)}` };
    },
  );
  expect(answer).toEqual({ code: edit.code, text: expect.stringContaining(edit.field ?? '') });
});
