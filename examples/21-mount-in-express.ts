// The handler behind an express app that is there already. Watch: express takes the mount path off, so the handler has no
// basePath; middleware of the app (here one that counts) comes first; streams pass through.
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import { modelDirectory } from '@mimokit/nano';
import { openModel } from '@mimokit/runtime';
import { createHandler } from '@mimokit/server';
import express from 'express';
import { pickedRunner } from './runner.ts';

await using model = await openModel(modelDirectory(), { runner: pickedRunner, modelId: 'nano' });
const handler = createHandler({ models: [model] });

const app = express();
let requests = 0;
app.use((_request, _response, next) => {
  requests++;
  next();
});
app.get('/', (_request, response) => {
  response.send('an app with a model at /ai');
});
// No express.json() before it: the handler reads the body itself, within its limits.
app.use('/ai', getRequestListener(handler));

const server = app.listen(0, '127.0.0.1');
await once(server, 'listening');
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

const home = await (await fetch(url)).text();
const answer = await fetch(`${url}/ai/v1/chat/completions`, {
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ model: 'nano', messages: [{ role: 'user', content: 'Hello!' }], stream: true }),
});
const frames = (await answer.text()).trim().split('\n\n');
console.log(home);
await handler.drain();
server.close();
server.closeAllConnections();
console.log(`${requests} requests through the app, last frame: ${frames.at(-1)}`);
