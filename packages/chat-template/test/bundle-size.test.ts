// What a browser has to load for a template and its parser, with everything they need, minified and gzipped.
import { gzipSync } from 'node:zlib';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { expect, test } from 'vitest';

async function gzippedBytes(source: string): Promise<number> {
  const { outputFiles } = await build({
    stdin: { contents: source, resolveDir: fileURLToPath(new URL('.', import.meta.url)) },
    bundle: true,
    minify: true,
    format: 'esm',
    // No `node:` module may be needed.
    platform: 'browser',
    conditions: ['mimokit-source'],
    write: false,
  });
  return gzipSync(outputFiles[0]!.contents, { level: 9 }).length;
}

test('createChatTemplate weighs at most 12 KB', async () => {
  expect(await gzippedBytes("export { createChatTemplate } from '../src/index.ts'")).toBeLessThanOrEqual(12 * 1024);
});

test('the parser alone weighs at most 10 KB', async () => {
  expect(await gzippedBytes("export { createParser } from '../src/index.ts'")).toBeLessThanOrEqual(10 * 1024);
});
