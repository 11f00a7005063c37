// LangChain over MimoKit's server. Watch: ChatOpenAI reads reasoning and does not send it back; the server restores it by the id of
// the call, so the model sees its own reasoning and the prefix cache holds the prompt.
import { HumanMessage, ToolMessage } from '@langchain/core/messages';
import { ChatOpenAI } from '@langchain/openai';
import { demoTools, modelDirectory } from '@mimokit/nano';
import { openModel } from '@mimokit/runtime';
import { openServer } from '@mimokit/server/node';
import { pickedRunner } from './runner.ts';

await using local = await openModel(modelDirectory(), { runner: pickedRunner, modelId: 'nano' });
// Over the hosted platform: models: [createClient({ model: 'mimo-v2-flash', apiKey })]
await using server = await openServer({ models: [local], port: 0 });

const model = new ChatOpenAI({
  model: 'nano',
  apiKey: 'none',
  modelKwargs: { chat_template_kwargs: { enable_thinking: true } },
  configuration: { baseURL: `${server.url}/v1` },
}).bindTools(demoTools.map((tool) => ({ type: 'function' as const, function: { ...tool } })));

const question = new HumanMessage('What is 37 * 12?');
const first = await model.invoke([question]);
const [call] = first.tool_calls!;
console.log(`call: ${call!.name} ${JSON.stringify(call!.args)}`);
const result = new ToolMessage({ tool_call_id: call!.id!, content: '444' });
const second = await model.invoke([question, first, result]);
console.log(second.text);
const metrics = await (await fetch(`${server.url}/metrics`)).text();
const restored = metrics.split('\n').find((line) => line.startsWith('mimokit') && line.includes('restored'));
console.log(`answered: ${second.text.includes('444')}, restored: ${restored?.split(' ').at(-1)}`);
