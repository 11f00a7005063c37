// The package as a browser runs it: bundled, loaded by a headless Chromium, golden prompts and outputs inside the page.
// CHROMIUM names the browser; without one the test is skipped and says so.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fixtureJson, fixtureLines } from '@mimokit/fixtures';
import { build } from 'esbuild';
import { expect, test } from 'vitest';

const candidates = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
const browser = candidates.find((path) => path !== undefined && existsSync(path));
if (browser === undefined)
  console.info('chat-template: no Chromium found (CHROMIUM=/path/to/chromium), the browser test is skipped');

const page = `
import { createChatTemplate, parse } from './index.ts';
import { jsonGet, readJson } from '@mimokit/protocol';
import { fromOpenAIMessages, fromOpenAITools, toOpenAIAssistant } from '../../protocol/src/wire/openai-messages.ts';
const { chat, outputs, tools } = globalThis.goldens;
const templates = { v2_flash: createChatTemplate('mimo-v2-flash'), v2_5: createChatTemplate('mimo-v2.5') };
let wrong = 0;
for (const line of chat) {
  const row = readJson(line);
  const kwargs = jsonGet(row, 'kwargs');
  const { text } = templates[jsonGet(row, 'template')].render({
    messages: fromOpenAIMessages(jsonGet(row, 'messages')), tools: fromOpenAITools(jsonGet(row, 'tools')),
    thinking: kwargs.enable_thinking, keepAllReasoning: kwargs.keep_all_reasoning, addGenerationPrompt: kwargs.add_generation_prompt ?? false,
  });
  if (text !== jsonGet(row, 'expected')) wrong++;
}
for (const line of outputs) {
  const row = readJson(line);
  const { content, reasoning_content: reasoning, tool_calls: calls } = toOpenAIAssistant(parse(row.text, { tools: fromOpenAITools(tools) }).message);
  const expected = row.expected;
  if (content !== expected.content || reasoning !== expected.reasoning_content || calls.length !== expected.tool_calls.length) wrong++;
}
document.title = 'checked ' + (chat.length + outputs.length) + ', wrong ' + wrong;
document.body.textContent = document.title;
`;

async function bundle(): Promise<string> {
  const { outputFiles } = await build({
    stdin: { contents: page, resolveDir: fileURLToPath(new URL('../src', import.meta.url)), loader: 'ts' },
    bundle: true,
    format: 'iife',
    platform: 'browser',
    conditions: ['mimokit-source'],
    write: false,
  });
  return outputFiles[0]!.text;
}

const goldens = {
  chat: fixtureLines('chat', 'chat.jsonl'),
  outputs: fixtureLines('parse', 'parse.jsonl'),
  tools: fixtureJson('parse', 'tools.json'),
};

test.skipIf(browser === undefined)('goldens in a page', async () => {
  const source = await bundle();
  const data = JSON.stringify(goldens).replaceAll('<', '\\u003c');
  const script = source.replaceAll('</script', '<\\/script');
  const folder = mkdtempSync(join(tmpdir(), 'mimokit-page-'));
  try {
    const file = join(folder, 'page.html');
    writeFileSync(
      file,
      `<!doctype html><meta charset="utf-8"><body><script>globalThis.goldens=${data}</script><script>${script}</script>`,
    );
    const flags = ['--headless', '--no-sandbox', '--disable-gpu', '--dump-dom', `--user-data-dir=${folder}`];
    const dom = execFileSync(browser!, [...flags, `file://${file}`], {
      encoding: 'utf8',
      timeout: 60_000,
      maxBuffer: 1 << 28,
    });
    expect(dom).toContain('<title>checked 371, wrong 0</title>');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test('the page itself runs, here', async () => {
  const source = await bundle();
  const document = { title: '', body: { textContent: '' } };
  new Function('globalThis', 'document', source)({ goldens, crypto: globalThis.crypto }, document);
  expect(document.title).toBe('checked 371, wrong 0');
});
