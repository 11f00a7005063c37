import { expect, test } from 'vitest';
import { refuseUnknownOptions } from './known-options.ts';

const options = { directory: { type: 'positional' }, kv: { type: 'string' }, 'in-process': { type: 'boolean' } };

test.each([
  [[]],
  [['--kv', 'bf16', 'DIR']],
  [['--kv=bf16', '--in-process']],
  [['--inProcess', '--no-in-process']],
  [['DIR', '--', '--kvv']],
])('%j is fine', (rawArgs) => {
  expect(() => refuseUnknownOptions(options, rawArgs)).not.toThrow();
});

test.each([
  [['--kvv', 'bf16']],
  [['--kvv=bf16']],
  [['--kv', 'bf16', '--batch', '3']],
  [['--directory', 'x']],
  [['--no-kv']],
])('%j is refused with the options there are', (rawArgs) => {
  expect(() => refuseUnknownOptions(options, rawArgs)).toThrow(
    expect.objectContaining({ code: 'invalid-argument', hint: 'It has --kv, --in-process.' }),
  );
});
