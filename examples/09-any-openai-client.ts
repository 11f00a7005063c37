// The official openai package against a local model, without a port: its fetch is the handler. Watch: the client drops the
// reasoning of the tool turn, as it does with every server, and the model still sees it.
import { demoTools, modelDirectory } from '@mimokit/nano';
import type { ChatRequest } from '@mimokit/protocol';
import { openModel } from '@mimokit/runtime';
import { createHandler } from '@mimokit/server';
import OpenAI from 'openai';
import { pickedRunner } from './runner.ts';

await using model = await openModel(modelDirectory(), { runner: pickedRunner, modelId: 'nano' });
const asked: ChatRequest[] = [];
const watched = { modelId: 'nano', chat: (request: ChatRequest) => (asked.push(request), model.chat(request)) };
const handler = createHandler({ models: [watched] });

const client = new OpenAI({
  baseURL: 'http://local/v1',
  apiKey: 'none',
  fetch: (input, init) => handler(new Request(input, init)),
});
// A field of MiMo's servers that the package has no type for.
const thinking = { chat_template_kwargs: { enable_thinking: true } };
const runner = client.chat.completions.runTools({
  model: 'nano',
  messages: [{ role: 'user', content: 'What is 37 * 12?' }],
  tools: demoTools.map(({ name, description, parameters }) => ({
    type: 'function' as const,
    function: {
      name,
      description,
      parameters: { ...parameters },
      parse: (text: string) => JSON.parse(text) as Record<string, unknown>,
      function: () => '444',
    },
  })),
  ...thinking,
});
console.log(await runner.finalContent());
const past = asked[1]?.messages[1];
console.log(
  `reasoning the client dropped, as the model saw it: ${past?.role === 'assistant' ? past.reasoning : 'lost'}`,
);
