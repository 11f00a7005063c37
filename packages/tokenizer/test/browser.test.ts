// The package as a browser runs it: bundled, loaded by a headless Chromium, golden ids and texts inside the page. CHROMIUM
// names the browser; without one that test is skipped and says so, and the page's code runs here alone.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { fixtureLines } from '@mimokit/fixtures';
import { build } from 'esbuild';
import { expect, test } from 'vitest';

const candidates = [
  process.env['CHROMIUM'],
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
];
const browser = candidates.find((path) => path !== undefined && existsSync(path));
if (browser === undefined) {
  console.info('tokenizer: no Chromium found (CHROMIUM=/path/to/chromium), the browser test is skipped');
}

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

test.skipIf(browser === undefined)('goldens in a page', async () => {
  const source = new TextDecoder().decode(await bundle(page, 'iife')).replaceAll('</script', String.raw`<\/script`);
  const data = JSON.stringify(goldens).replaceAll('<', String.raw`\u003c`);
  const folder = mkdtempSync(join(tmpdir(), 'mimokit-page-'));
  try {
    const file = join(folder, 'page.html');
    const scripts = `<script>globalThis.goldens=${data}</script><script>${source}</script>`;
    writeFileSync(file, `<!doctype html><meta charset="utf-8"><body>${scripts}`);
    const flags = ['--headless', '--no-sandbox', '--disable-gpu', '--virtual-time-budget=30000', '--dump-dom'];
    const dom = execFileSync(browser ?? '', [...flags, `--user-data-dir=${folder}`, `file://${file}`], {
      stdio: ['ignore', 'pipe', 'ignore'],
      encoding: 'utf8',
      timeout: 60_000,
      maxBuffer: 1 << 28,
    });
    expect(dom).toContain(`<title>${title}</title>`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test('the page itself runs, here', async () => {
  const source = new TextDecoder().decode(await bundle(page, 'iife'));
  const document = { title: '' };
  const scope: { goldens: unknown; finished?: Promise<void> } = { goldens };
  // The page's code with a document and a global object of its own.
  new Function('globalThis', 'document', source)(scope, document);
  await scope.finished;
  expect(document.title).toBe(title);
});

test('without its vocabulary the tokenizer weighs at most 14 KB, with any tokenizer.json 18 KB, the vocabulary 1 MB', async () => {
  const weight = async (contents: string): Promise<number> =>
    gzipSync(await bundle(contents, 'esm', ['./mimo-vocabulary.generated.ts']), { level: 9 }).length;
  expect(await weight("export { loadMimoTokenizer } from './mimo.ts'")).toBeLessThanOrEqual(14 * 1024);
  expect(await weight("export { createTokenizer } from './index.ts'")).toBeLessThanOrEqual(18 * 1024);
  const data = await bundle("export { pairs } from './mimo-vocabulary.generated.ts'", 'esm');
  expect(gzipSync(data, { level: 9 }).length).toBeLessThanOrEqual(1 << 20);
});
