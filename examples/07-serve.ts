// A server over a local model, on a port of its own, asked over plain fetch. Watch: the answer comes as server-sent events, and
// the port is only open on this machine because no keys are set.
import { modelDirectory } from '@mimokit/nano';
import { openModel } from '@mimokit/runtime';
import { openServer } from '@mimokit/server/node';
import { pickedRunner } from './runner.ts';

await using model = await openModel(modelDirectory(), { runner: pickedRunner, modelId: 'nano' });
await using server = await openServer({ models: [model], port: 0 });

const response = await fetch(`${server.url}/v1/chat/completions`, {
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ model: 'nano', messages: [{ role: 'user', content: 'Hello!' }], stream: true }),
});
const frames = (await response.text()).trim().split('\n\n');
console.log(frames[1]);
console.log(`last frame: ${frames.at(-1)}`);
