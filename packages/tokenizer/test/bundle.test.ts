// What a bundler makes for a browser: it needs no `node:` module, gives the golden ids and texts, and weighs little. The tests
// themselves run in a browser too (vitest.config.ts).
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { fixtureLines } from '@mimokit/fixtures';
import { build } from 'esbuild';
import { expect, test } from 'vitest';

const page = `
import { loadMimoTokenizer } from './mimo.ts';
const { encode, decode } = globalThis.goldens;
globalThis.finished = loadMimoTokenizer().then((mimo) => {
  let wrong = 0;
  for (const line of encode) {
    const { text, ids } = JSON.parse(line);
    if (mimo.encode(text).join() !== ids.join() || mimo.count(text) !== ids.length) wrong++;
  }
  for (const line of decode) {
    const { ids, text } = JSON.parse(line);
    const stream = mimo.decodeStream();
    if (mimo.decode(ids) !== text || ids.map((id) => stream.push([id])).join('') + stream.flush() !== text) wrong++;
  }
  document.title = 'checked ' + (encode.length + decode.length) + ', wrong ' + wrong;
});
`;
const title = 'checked 1740, wrong 0';
const goldens = {
  encode: fixtureLines('tokenizer', 'encode.jsonl'),
  decode: fixtureLines('tokenizer', 'decode.jsonl'),
};

async function bundle(contents: string, format: 'iife' | 'esm', external: string[] = []): Promise<Uint8Array> {
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: fileURLToPath(new URL('../src', import.meta.url)), loader: 'ts' },
    bundle: true,
    minify: true,
    format,
    // No `node:` module may be needed.
    platform: 'browser',
    conditions: ['mimokit-source'],
    external,
    write: false,
  });
  return outputFiles[0].contents;
}

test('the bundle gives the golden ids and texts', async () => {
  const source = new TextDecoder().decode(await bundle(page, 'iife'));
  const document = { title: '' };
  const scope: { goldens: unknown; finished?: Promise<void> } = { goldens };
  // The page's code with a document and a global object of its own.
  new Function('globalThis', 'document', source)(scope, document);
  await scope.finished;
  expect(document.title).toBe(title);
});

const vocabulary = './mimo-vocabulary.generated.ts';
/** What the tokenizer believes about characters: data that come with a vocabulary. */
const characters = './char-class.generated.ts';

const gzippedBytes = async (contents: string, external: string[] = []): Promise<number> =>
  gzipSync(await bundle(contents, 'esm', external), { level: 9 }).length;

test('without its data the tokenizer weighs at most 10 KB', async () => {
  const entry = "export { loadMimoTokenizer } from './mimo.ts'";
  expect(await gzippedBytes(entry, [vocabulary, characters])).toBeLessThanOrEqual(10 * 1024);
});

test('its data weigh at most 3 KB for the characters, 1 MB for the vocabulary', async () => {
  expect(await gzippedBytes(`export * from '${characters}'`)).toBeLessThanOrEqual(3 * 1024);
  expect(await gzippedBytes(`export * from '${vocabulary}'`)).toBeLessThanOrEqual(1 << 20);
});

test('with the reader of tokenizer.json, the splits of all families and the characters it weighs at most 18 KB', async () => {
  expect(await gzippedBytes("export { createTokenizer } from './index.ts'")).toBeLessThanOrEqual(18 * 1024);
});
