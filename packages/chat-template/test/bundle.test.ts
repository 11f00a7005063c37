// What a bundler makes for a browser: it needs no `node:` module, gives the golden prompts and outputs, and weighs little. The
// tests themselves run in a browser too (vitest.config.ts).
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { fixtureJson, fixtureLines } from '@mimokit/fixtures';
import { build } from 'esbuild';
import { expect, test } from 'vitest';

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

async function bundle(contents: string, format: 'iife' | 'esm'): Promise<Uint8Array> {
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: fileURLToPath(new URL('../src', import.meta.url)), loader: 'ts' },
    bundle: true,
    minify: true,
    format,
    platform: 'browser',
    conditions: ['mimokit-source'],
    write: false,
  });
  return outputFiles[0]!.contents;
}

const goldens = {
  chat: fixtureLines('chat', 'chat.jsonl'),
  outputs: fixtureLines('parse', 'parse.jsonl'),
  tools: fixtureJson('parse', 'tools.json'),
};

test('the bundle renders and parses the goldens', async () => {
  const source = new TextDecoder().decode(await bundle(page, 'iife'));
  const document = { title: '', body: { textContent: '' } };
  new Function('globalThis', 'document', source)({ goldens, crypto: globalThis.crypto }, document);
  expect(document.title).toBe('checked 371, wrong 0');
});

const gzippedBytes = async (contents: string): Promise<number> =>
  gzipSync(await bundle(contents, 'esm'), { level: 9 }).length;

test('createChatTemplate weighs at most 12 KB', async () => {
  expect(await gzippedBytes("export { createChatTemplate } from './index.ts'")).toBeLessThanOrEqual(12 * 1024);
});

test('the parser alone weighs at most 10 KB', async () => {
  expect(await gzippedBytes("export { createParser } from './index.ts'")).toBeLessThanOrEqual(10 * 1024);
});
