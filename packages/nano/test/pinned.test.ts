// What is loaded is what was pinned.
import { createHash } from 'node:crypto';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { files, modelDirectory } from '../src/index.ts';
import { checkFiles } from '../src/pinned.ts';

const folder = mkdtempSync(join(tmpdir(), 'mimokit-pins-'));
const data = Buffer.from('weights');
const pin = { name: 'a.bin', bytes: data.length, sha256: createHash('sha256').update(data).digest('hex') };
writeFileSync(join(folder, pin.name), data);

test('the shipped files pass', () => {
  expect(() => checkFiles(modelDirectory(), files)).not.toThrow();
  expect(() => checkFiles(folder, [pin])).not.toThrow();
});

test('one changed byte is refused, with the file and what to do', () => {
  const changed = { ...pin, name: 'b.bin' };
  writeFileSync(join(folder, changed.name), 'weighty');
  expect(() => checkFiles(folder, [pin, changed])).toThrow(
    expect.objectContaining({ code: 'checkpoint-malformed', hint: 'Install @mimokit/nano again.' }),
  );
  expect(() => checkFiles(folder, [changed])).toThrow(/b\.bin/);
});

test('a cut file and a missing file are refused', () => {
  writeFileSync(join(folder, 'c.bin'), data.subarray(1));
  expect(() => checkFiles(folder, [{ ...pin, name: 'c.bin' }])).toThrow(/6 bytes/);
  expect(() => checkFiles(folder, [{ ...pin, name: 'd.bin' }])).toThrow(
    expect.objectContaining({ code: 'checkpoint-missing-file' }),
  );
});
