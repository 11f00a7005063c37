// Every example runs, and its last line says what its head promises.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

test.each([
  ['01-count-tokens', 'round trip: true'],
  ['02-render-a-prompt', 'thinking off ends with <think></think>'],
  ['03-parse-a-stream', 'arguments: {"city":"Oslo","days":3}'],
  ['04-generate-ids', 'same ids: true'],
  ['05-chat', /^finished: stop, \d+ tokens$/],
  ['06-tools', 'reasoning kept on the tool turn: true'],
  ['07-serve', 'last frame: data: [DONE]'],
  ['08-mount-in-hono', 'mounted: mine 200, unknown model: 404'],
  ['09-any-openai-client', /^reasoning the client dropped, as the model saw it: I will call/],
  ['10-ai-sdk', 'reasoning kept by the SDK: true'],
  ['20-agent-over-http', 'steps: 2, turns with reasoning: 2'],
  ['21-mount-in-express', '2 requests through the app, last frame: data: [DONE]'],
  ['22-mount-in-next', 'models: 200, message: 200 text'],
  ['23-mcp-tools', '1 tool of the server, its result: 444'],
  ['24-langchain', 'answered: true, restored: 1'],
  // The weights are the user's to fetch; without them it says so.
  ['12-smollm2', /^(skipped: no converted model in .*|finished: stop, \d+ tokens)$/],
  ['11-own-scheduler', /^shortest first: .*finished in the order c, b, a$/],
])('%s', (name, last) => {
  const file = fileURLToPath(new URL(`./${name}.ts`, import.meta.url));
  const args = ['--conditions=mimokit-source', '--no-warnings', file];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  expect(stderr).toBe('');
  expect(status).toBe(0);
  const line = stdout.trimEnd().split('\n').at(-1)!;
  if (typeof last === 'string') expect(line).toBe(last);
  else expect(line).toMatch(last);
});
