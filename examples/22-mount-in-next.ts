// The handler as a Next route, in `app/ai/[...path]/route.ts`: a route is functions named like methods, from Request to Response,
// and the handler is one. Watch: the exports below are the whole file; what follows calls them as Next does.
import { modelDirectory } from '@mimokit/nano';
import { openModel } from '@mimokit/runtime';
import { createHandler } from '@mimokit/server';
import { pickedRunner } from './runner.ts';

/** Once a process, not once a request: the model stays open. */
const model = await openModel(modelDirectory(), { runner: pickedRunner, modelId: 'nano' });
const handler = createHandler({ models: [model], basePath: '/ai' });
/** Native code does not run on the edge. */
export const runtime = 'nodejs';
export { handler as DELETE, handler as GET, handler as POST };

const route = { GET: handler, POST: handler };
const models = await route.GET(new Request('http://localhost:3000/ai/v1/models'));
const answer = await route.POST(
  new Request('http://localhost:3000/ai/v1/messages', {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'anthropic-version': '2023-06-01' },
    body: JSON.stringify({ model: 'nano', max_tokens: 32, messages: [{ role: 'user', content: 'Hello!' }] }),
  }),
);
const { content } = (await answer.json()) as { content: { type: string; text: string }[] };
console.log(content[0]?.text);
await handler.drain();
await model.dispose();
console.log(`models: ${models.status}, message: ${answer.status} ${content[0]?.type}`);
