// Tools of an MCP server in the tool loop. Watch: the tool's name, its description and its schema come from the server; the call
// goes there, and its result to the model. A server of yours would be connected over stdio or HTTP instead of in memory.
import { runTools } from '@mimokit/client';
import { mcpTools } from '@mimokit/client/mcp';
import { modelDirectory } from '@mimokit/nano';
import { openModel } from '@mimokit/runtime';
import { Client, InMemoryTransport } from '@modelcontextprotocol/client';
import { McpServer } from '@modelcontextprotocol/server';
import { z } from 'zod';
import { pickedRunner } from './runner.ts';

const server = new McpServer({ name: 'arithmetic', version: '1.0.0' });
const inputSchema = z.object({ expression: z.string().describe('such as (2 + 3) * 4') });
server.registerTool('calculator', { description: 'Evaluate arithmetic.', inputSchema }, async ({ expression }) => {
  const [left, right] = expression.split('*').map(Number) as [number, number];
  return { content: [{ type: 'text', text: String(left * right) }] };
});
const [here, there] = InMemoryTransport.createLinkedPair();
const client = new Client({ name: 'example', version: '1.0.0' });
await Promise.all([server.connect(there), client.connect(here)]);

await using model = await openModel(modelDirectory(), { runner: pickedRunner });
const tools = await mcpTools(client);
const loop = runTools(model, { messages: [{ role: 'user', content: 'What is 37 * 12?' }], tools, thinking: true });
for await (const event of loop) {
  if (event.type === 'tool-call') console.log(`call: ${event.call.name} ${event.call.arguments}`);
  if (event.type === 'text-delta') process.stdout.write(event.text);
}
const result = loop.messages.find((message) => message.role === 'tool');
await client.close();
await server.close();
console.log(`\n${tools.length} tool of the server, its result: ${String(result?.content)}`);
