// A directory and a runner, opened as a user would: the embedded nano and a checkpoint without a tokenizer.
import { existsSync } from 'node:fs';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fixturePath } from '@mimokit/fixtures';
import type { AssistantMessage, Message, RunnerFactory, StreamEvent, Usage } from '@mimokit/protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fixedDraftDepth, type LocalModel, openModel } from '../src/index.ts';
import { collect } from '../src/testing/index.ts';
import { loadRunners } from './runners.ts';

const nano = fileURLToPath(new URL('../../nano/', import.meta.url));
const hasNano = existsSync(join(nano, 'model.safetensors')) && existsSync(join(nano, 'tokenizer.json'));
const { runners } = await loadRunners();
const { open: openRunner } = runners.at(-1)!;
const open: RunnerFactory = (directory, options) => openRunner(directory, { threads: 1, ...options });

async function answer(
  model: LocalModel,
  messages: readonly Message[],
  rest = {},
): Promise<{ message: AssistantMessage; usage: Usage }> {
  let finish: StreamEvent | undefined;
  for await (const event of model.chat({ messages, maxTokens: 48, thinking: true, ...rest })) finish = event;
  if (finish?.type !== 'finish') throw new Error('no finish');
  return finish;
}

describe.skipIf(!hasNano)('a small trained model', () => {
  let model: LocalModel;
  beforeAll(async () => {
    model = await openModel(nano, { runner: open, verify: true });
  });
  afterAll(() => model.dispose());

  test('answers, and its text does not depend on drafts, cache or batches', async () => {
    const questions = ['Hello!', 'What is 3 + 4?', 'Thank you!'].map((content) => [{ role: 'user' as const, content }]);
    const together = await Promise.all(questions.map((messages) => answer(model, messages)));
    await using plain = await openModel(nano, {
      runner: open,
      drafts: fixedDraftDepth(0),
      prefixCache: false,
      tokenBudget: 16,
    });
    for (const [index, messages] of questions.entries()) {
      const { message, usage } = await answer(plain, messages);
      expect(together[index].message).toEqual(message);
      expect(together[index].usage.completionTokens).toBe(usage.completionTokens);
      expect(message.content.length + (message.reasoning?.length ?? 0)).toBeGreaterThan(0);
    }
  });

  test('a second turn computes only what is new', async () => {
    const messages: Message[] = [{ role: 'user', content: 'Tell me the time.' }];
    const tools = [{ name: 'clock', description: 'The time.', parameters: { type: 'object', properties: {} } }];
    const first = await answer(model, messages, { tools });
    // A tool result keeps the turn open, so its reasoning is kept and everything before is cached.
    messages.push(first.message, { role: 'tool', content: '12:00' });
    const second = await answer(model, messages, { tools });
    expect(second.usage.cachedTokens).toBe(first.usage.promptTokens + first.usage.completionTokens - 1);
  });

  test('never emits an id without a token', async () => {
    const request = {
      ids: model.tokenize('Hello'),
      maxTokens: 64,
      ignoreEos: true,
      sampling: { temperature: 50 },
      seed: 1,
    };
    const { ids } = await collect(model.generate(request));
    const known = model.tokenize('<|im_end|>')[0];
    expect(model.detokenize([known])).toBe('<|im_end|>');
    for (const id of ids) expect(model.detokenize([id])).not.toBe('');
  });

  test('renders what it would run', () => {
    const { text, ids } = model.render({ messages: [{ role: 'user', content: 'Hi' }] });
    expect(text).toContain('<|im_start|>user\nHi<|im_end|>');
    expect(model.detokenize(ids)).toBe(text);
    expect(model.modelId).toBe('nano');
  });
});

describe('a checkpoint without tokenizer.json', () => {
  const directory = fixturePath('models', 't1-bf16');

  test('takes and gives ids', async () => {
    await using model = await openModel(directory, { runner: open });
    expect(model.hasTokenizer).toBe(false);
    expect((await collect(model.generate({ ids: [1, 2, 3], maxTokens: 4, ignoreEos: true }))).ids).toHaveLength(4);
    for (const call of [() => model.tokenize('x'), () => model.detokenize([1]), () => model.render({ messages: [] })]) {
      expect(call).toThrow(/no tokenizer\.json/);
    }
    expect(() => model.chat({ messages: [] })).toThrow(/no tokenizer\.json/);
  });

  test('stops at the ids of config.json and generation_config.json', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'mimokit-'));
    try {
      await cp(directory, folder, { recursive: true });
      const free = await openModel(folder, { runner: open });
      const { ids } = await collect(free.generate({ ids: [1, 2, 3], maxTokens: 20, ignoreEos: true }));
      await free.dispose();
      await writeFile(join(folder, 'generation_config.json'), JSON.stringify({ eos_token_id: [ids[5]] }));
      await using model = await openModel(folder, { runner: open });
      const stopped = await collect(model.generate({ ids: [1, 2, 3], maxTokens: 20 }));
      expect(stopped.reason).toBe('stop');
      expect(stopped.ids).toEqual(ids.slice(0, ids.indexOf(ids[5]) + 1));
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

describe('opening fails', () => {
  const folders: string[] = [];
  const folderWith = async (files: Record<string, string>): Promise<string> => {
    const folder = await mkdtemp(join(tmpdir(), 'mimokit-'));
    folders.push(folder);
    for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
    return folder;
  };
  afterAll(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true }))));

  test.each([
    ['without config.json', {}, 'checkpoint-missing-file'],
    ['with a config that is no JSON', { 'config.json': '{' }, 'config-invalid'],
    ['with a config that is no object', { 'config.json': '[]' }, 'config-invalid'],
    ['with an end-of-sequence id that is none', { 'config.json': '{"eos_token_id":-1}' }, 'config-invalid'],
    ['with a broken tokenizer', { 'config.json': '{}', 'tokenizer.json': '{}' }, expect.stringMatching(/^tokenizer-/)],
  ])('%s', async (_, files, code) => {
    const unused: RunnerFactory = () => Promise.reject(new Error('the runner was opened'));
    await expect(openModel(await folderWith(files), { runner: unused })).rejects.toMatchObject({ code });
  });

  test('with impossible options, and closes the runner again', async () => {
    let isDisposed = false;
    const watched: RunnerFactory = async (...given) => {
      const runner = await open(...given);
      const dispose = runner.dispose.bind(runner);
      runner.dispose = () => {
        isDisposed = true;
        return dispose();
      };
      return runner;
    };
    const opening = openModel(fixturePath('models', 't1-bf16'), { runner: watched, tokenBudget: 0 });
    await expect(opening).rejects.toMatchObject({
      code: 'invalid-argument',
      message: expect.stringContaining('tokenBudget'),
    });
    expect(isDisposed).toBe(true);
  });
});
