// The handler inside an app that has routes of its own. Watch: no second port, the app's middleware runs first, and errors of
// the mounted part come in the API's own words. Next, Deno and Bun take the same handler.
import { modelDirectory } from '@mimokit/nano';
import { openModel } from '@mimokit/runtime';
import { createHandler } from '@mimokit/server';
import { Hono } from 'hono';
import { pickedRunner } from './runner.ts';

await using model = await openModel(modelDirectory(), { runner: pickedRunner, modelId: 'nano' });
const handler = createHandler({ models: [model], basePath: '/ai' });

const app = new Hono();
app.use(async (c, next) => {
  await next();
  c.header('x-app', 'mine');
});
app.get('/', (c) => c.text('an app with a model at /ai'));
app.all('/ai/*', (c) => handler(c.req.raw));

const models = await app.request('/ai/v1/models');
console.log(await models.json());
const wrong = await app.request('/ai/v1/chat/completions', {
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ model: 'gpt', messages: [{ role: 'user', content: 'Hi' }] }),
});
console.log(await wrong.json());
console.log(`mounted: ${models.headers.get('x-app')} ${models.status}, unknown model: ${wrong.status}`);
