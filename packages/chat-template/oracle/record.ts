// Records what Python says: `node oracle/record.ts` writes test/recorded/*.jsonl.br, 2,000 conversations and 2,000 outputs.
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, constants } from 'node:zlib';

const here = fileURLToPath(new URL('.', import.meta.url));
const fixtures = fileURLToPath(new URL('../../fixtures/unpacked/', import.meta.url));
const recorded = fileURLToPath(new URL('../test/recorded/', import.meta.url));

mkdirSync(recorded, { recursive: true });
for (const [name, input] of [
  ['conversations', 'chat'],
  ['outputs', 'parse/tools.json'],
] as const) {
  const lines = execFileSync('python3', [`${here}${name}.py`, '20261', '2000', fixtures + input], {
    maxBuffer: 1 << 28,
  });
  const bytes = brotliCompressSync(lines, {
    params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_LGWIN]: 22 },
  });
  writeFileSync(`${recorded}${name}.jsonl.br`, bytes);
  console.log(`${name}: ${lines.length} bytes, ${bytes.length} packed`);
}
