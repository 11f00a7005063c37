// What Python says, beyond the goldens: recorded by oracle/record.ts, and made afresh where python3 with jinja2 is present
// (2,000 of each; MIMOKIT_ORACLE_COUNT=50000 for the long run).
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { brotliDecompressSync } from 'node:zlib';
import { fixtureJson, fixturePath } from '@mimokit/fixtures';
import { jsonGet, type JsonValue, readJson } from '@mimokit/protocol';
import { fromOpenAIMessages, fromOpenAITools, toOpenAIAssistant } from '@mimokit/protocol/wire';
import { describe, expect, test } from 'vitest';
import { createChatTemplate } from '../src/index.ts';
import { sameJson } from './same-json.ts';
import { parsePieces } from './split-everywhere.ts';

const folder = fileURLToPath(new URL('.', import.meta.url));
const count = process.env.MIMOKIT_ORACLE_COUNT ?? '2000';
const templates = { v2_flash: createChatTemplate('mimo-v2-flash'), v2_5: createChatTemplate('mimo-v2.5') };
const tools = fromOpenAITools(fixtureJson('parse', 'tools.json'));

function recorded(name: string): string {
  return brotliDecompressSync(readFileSync(`${folder}recorded/${name}.jsonl.br`)).toString('utf8');
}

function fresh(script: string, input: string): string {
  const seed = String(Math.floor(Math.random() * 1e9));
  return execFileSync('python3', [`${folder}../oracle/${script}.py`, seed, count, input], {
    maxBuffer: 1 << 30,
  }).toString('utf8');
}

const hasJinja = ((): boolean => {
  try {
    execFileSync('python3', ['-c', 'import jinja2'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

/** The rows after the head line, with the head to name seed and versions in a failure. */
function* rowsOf(jsonl: string): Generator<{ row: JsonValue; head: string; line: string }> {
  const [head, ...lines] = jsonl.split('\n');
  for (const line of lines) if (line !== '') yield { row: readJson(line), head: head!, line };
}

function checkConversations(jsonl: string): number {
  let checked = 0;
  for (const { row, head, line } of rowsOf(jsonl)) {
    const kwargs = jsonGet(row, 'kwargs') as Record<string, boolean>;
    const { text } = templates[jsonGet(row, 'template') as keyof typeof templates].render({
      messages: fromOpenAIMessages(jsonGet(row, 'messages')),
      tools: fromOpenAITools(jsonGet(row, 'tools')),
      thinking: kwargs.enable_thinking,
      keepAllReasoning: kwargs.keep_all_reasoning,
      addGenerationPrompt: kwargs.add_generation_prompt ?? false,
    });
    expect(text, `${head}\n${line}`).toBe(jsonGet(row, 'expected'));
    checked++;
  }
  return checked;
}

function checkOutputs(jsonl: string): number {
  let checked = 0;
  for (const { row, head, line } of rowsOf(jsonl)) {
    const text = jsonGet(row, 'text') as string;
    const whole = parsePieces([text], { tools });
    const answer = toOpenAIAssistant(whole.message);
    const calls = answer.tool_calls.map(({ function: made }) => ({
      name: made.name,
      arguments: readJson(made.arguments),
    }));
    const found = { reasoning_content: answer.reasoning_content, content: answer.content, tool_calls: calls };
    expect(sameJson(found, jsonGet(row, 'expected')!), `${head}\n${line}\n${JSON.stringify(found)}`).toBe(true);
    expect(parsePieces(text.split(''), { tools })).toEqual(whole);
    checked++;
  }
  return checked;
}

describe('recorded', () => {
  test('2,000 conversations render as jinja2 renders them', () => {
    expect(checkConversations(recorded('conversations'))).toBe(2000);
  });
  test('2,000 outputs parse as the reference parser reads them', () => {
    expect(checkOutputs(recorded('outputs'))).toBe(2000);
  });
});

describe.skipIf(!hasJinja)('fresh', () => {
  test(`${count} conversations render as jinja2 renders them`, () => {
    expect(checkConversations(fresh('conversations', fixturePath('chat')))).toBe(Number(count));
  }, 900_000);
  test(`${count} outputs parse as the reference parser reads them`, () => {
    expect(checkOutputs(fresh('outputs', fixturePath('parse', 'tools.json')))).toBe(Number(count));
  }, 900_000);
});
