import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ownTemplate } from './own-template.ts';

const messages = [{ role: 'user' as const, content: 'Hi' }];
const chatml =
  "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}{% endfor %}" +
  "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'own-template-'));
});
afterEach(() => rm(directory, { recursive: true }));

const write = (file: string, content: unknown): Promise<void> =>
  writeFile(join(directory, file), typeof content === 'string' ? content : JSON.stringify(content));

describe('the template of a folder', () => {
  test('is what tokenizer_config.json says, and its end token ends answers', async () => {
    await write('tokenizer_config.json', { chat_template: chatml, eos_token: '<|im_end|>' });
    const own = await ownTemplate(directory);
    expect(own?.template.render({ messages }).text).toBe('<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n');
    expect(own?.template.stopTokens).toEqual(['<|im_end|>']);
    expect(own?.notice).toContain("not MiMo's");
  });

  test('may be the default of several, with its tokens as objects', async () => {
    const named = [
      { name: 'tool_use', template: 'tools' },
      { name: 'default', template: '{{ bos_token }}plain' },
    ];
    await write('tokenizer_config.json', { chat_template: named, bos_token: { content: '<s>' } });
    expect((await ownTemplate(directory))?.template.render({ messages }).text).toBe('<s>plain');
  });

  test('in a file of its own counts first', async () => {
    await write('tokenizer_config.json', { chat_template: chatml });
    await write('chat_template.jinja', 'own file');
    expect((await ownTemplate(directory))?.template.render({ messages }).text).toBe('own file');
  });

  test('that is MiMo’s is left to the exact renderer, and so is a folder without one', async () => {
    expect(await ownTemplate(directory)).toBeUndefined();
    await write('tokenizer_config.json', { chat_template: `You are MiMo, a helpful AI assistant.${chatml}` });
    expect(await ownTemplate(directory)).toBeUndefined();
  });

  test('that cannot be read is an error with a code', async () => {
    await write('tokenizer_config.json', '[');
    await expect(ownTemplate(directory)).rejects.toMatchObject({ code: 'config-invalid' });
    await write('tokenizer_config.json', { chat_template: '{% for' });
    await expect(ownTemplate(directory)).rejects.toMatchObject({ code: 'invalid-argument' });
  });
});
