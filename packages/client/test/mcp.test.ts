// mcpTools over the official clients, both lines, connected in memory to real MCP servers; the model is scripted.
import { Client as ClientTwo, InMemoryTransport as TransportTwo } from '@modelcontextprotocol/client';
import { Client as ClientOne } from '@modelcontextprotocol/sdk/client/index.js';
import { InMemoryTransport as TransportOne } from '@modelcontextprotocol/sdk/inMemory.js';
import { McpServer as ServerOne } from '@modelcontextprotocol/sdk/server/mcp.js';
import { McpServer as ServerTwo } from '@modelcontextprotocol/server';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { type McpClient, mcpTools } from '../src/mcp.ts';
import { runTools } from '../src/run-tools.ts';
import { scripted } from './scripted.ts';

const numbers = { a: z.number().describe('first'), b: z.number() };
const add = async ({ a, b }: { a: number; b: number }) => ({
  content: [{ type: 'text' as const, text: String(a + b) }],
});
const fail = async () => ({ content: [{ type: 'text' as const, text: 'no such file' }], isError: true });
const picture = async () => ({
  content: [
    { type: 'text' as const, text: 'a cat' },
    { type: 'image' as const, data: 'AAAA', mimeType: 'image/png' },
  ],
});

interface Connection {
  client: McpClient & { close(): Promise<void> };
  /** How many calls the server saw cancelled. */
  cancelled(): number;
}

/** Waits until its call is cancelled. */
function slowTool(onCancel: () => void) {
  return async (signal: AbortSignal) => {
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    onCancel();
    return { content: [] };
  };
}

async function connectOne(): Promise<Connection> {
  let cancelled = 0;
  const slow = slowTool(() => cancelled++);
  const server = new ServerOne({ name: 'test', version: '1' });
  server.registerTool('picture', { description: 'A picture' }, picture);
  server.registerTool('add', { description: 'Adds', inputSchema: numbers }, add);
  server.registerTool('fail', { description: 'Fails' }, fail);
  server.registerTool('slow', {}, async ({ signal }) => slow(signal));
  const [ours, theirs] = TransportOne.createLinkedPair();
  const client = new ClientOne({ name: 'test', version: '1' });
  await Promise.all([server.connect(theirs), client.connect(ours)]);
  return { client, cancelled: () => cancelled };
}

async function connectTwo(): Promise<Connection> {
  let cancelled = 0;
  const slow = slowTool(() => cancelled++);
  const server = new ServerTwo({ name: 'test', version: '1' });
  server.registerTool('picture', { description: 'A picture' }, picture);
  server.registerTool('add', { description: 'Adds', inputSchema: z.object(numbers) }, add);
  server.registerTool('fail', { description: 'Fails' }, fail);
  server.registerTool('slow', {}, async (context) => slow(context.mcpReq.signal));
  const [ours, theirs] = TransportTwo.createLinkedPair();
  const client = new ClientTwo({ name: 'test', version: '1' });
  await Promise.all([server.connect(theirs), client.connect(ours)]);
  return { client, cancelled: () => cancelled };
}

describe.each([
  { line: 'SDK 1', connect: connectOne },
  { line: 'SDK 2', connect: connectTwo },
])('an MCP client of $line', ({ connect }) => {
  test('gives its tools, sorted, with schemas that cost no more tokens than they must', async () => {
    const { client } = await connect();
    const tools = await mcpTools(client, { prefix: 'files_', only: (name) => name !== 'slow' });
    expect(tools.map((one) => one.definition.name)).toEqual(['files_add', 'files_fail', 'files_picture']);
    expect(tools[0]!.definition).toEqual({
      name: 'files_add',
      description: 'Adds',
      parameters: {
        type: 'object',
        properties: { a: { type: 'number', description: 'first' }, b: { type: 'number' } },
        required: ['a', 'b'],
      },
    });
    await client.close();
  });

  test('runs calls in the loop; an error of the tool is told to the model', async () => {
    const { client } = await connect();
    const call = (id: string, name: string, text: string) => ({ id, name, arguments: text });
    const model = scripted(
      { calls: [call('1', 'add', '{"a":2,"b":3}'), call('2', 'fail', '{}'), call('3', 'picture', '{}')] },
      { calls: [call('4', 'add', '{"a":"x"}')] },
      { content: 'done' },
    );
    const loop = runTools(model, { messages: [{ role: 'user', content: 'go' }], tools: await mcpTools(client) });
    expect(await loop.message()).toMatchObject({ content: 'done' });
    const results = loop.messages.filter((message) => message.role === 'tool').map(({ content }) => content);
    expect(results.slice(0, 3)).toEqual([
      '5',
      'Error: no such file',
      'a cat\n[image image/png, 4 characters of base64: not shown]',
    ]);
    // The server checks arguments; its complaint reaches the model.
    expect(results[3]).toMatch(/^Error: .*(invalid|expected)/is);
    await client.close();
  });

  test('a deadline cancels the call on the server too', async () => {
    const { client, cancelled } = await connect();
    const model = scripted({ calls: [{ id: '1', name: 'slow', arguments: '{}' }] }, { content: 'done' });
    const tools = await mcpTools(client, { timeoutMs: 20 });
    const loop = runTools(model, { messages: [{ role: 'user', content: 'go' }], tools });
    await loop.message();
    expect(loop.messages[2]).toMatchObject({ content: 'Error: slow gave no result within 20 ms.' });
    await expect.poll(cancelled).toBe(1);
    await client.close();
  });
});

test('pages of tools are read to their end, a cursor without end is an error', async () => {
  const page = (cursor: number) => ({
    tools: [{ name: `t${cursor}`, inputSchema: { type: 'object' } }],
    ...(cursor < 3 ? { nextCursor: String(cursor + 1) } : {}),
  });
  const client: McpClient = {
    listTools: async ({ cursor = '0' } = {}) => page(Number(cursor)),
    callTool: async () => ({ structuredContent: { ok: true } }),
  };
  const tools = await mcpTools(client);
  expect(tools.map((one) => one.definition.name)).toEqual(['t0', 't1', 't2', 't3']);
  const loop = runTools(scripted({ calls: [{ id: '1', name: 't0', arguments: '{}' }] }, { content: '' }), {
    messages: [{ role: 'user', content: 'go' }],
    tools,
  });
  await loop.result();
  expect(loop.messages[2]).toMatchObject({ content: '{"ok":true}' });
  let pages = 0;
  const endless: McpClient = { ...client, listTools: async () => ({ tools: [], nextCursor: String(pages++) }) };
  await expect(mcpTools(endless)).rejects.toMatchObject({ code: 'invalid-tool' });
});
