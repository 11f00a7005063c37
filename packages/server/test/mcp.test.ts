// Tools of a real MCP server in our tool loop, over HTTP on nano: two turns with thinking; the second request as received and
// what the model saw of it.
import { createClient } from '@mimokit/client';
import { mcpTools } from '@mimokit/client/mcp';
import { runTools } from '@mimokit/client/run-tools';
import type { LocalModel } from '@mimokit/runtime';
import { Client, InMemoryTransport } from '@modelcontextprotocol/client';
import { McpServer } from '@modelcontextprotocol/server';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { openNano, serveNano, spyFetch } from './nano.ts';

let model: LocalModel;
beforeAll(async () => {
  model = await openNano();
});
afterAll(() => model.dispose());

test.each([true, false])(
  'the call goes to the MCP server, reasoning and result to the model (stream: %s)',
  async (stream) => {
    const received: string[] = [];
    const mcp = new McpServer({ name: 'arithmetic', version: '1' });
    const inputSchema = z.object({ expression: z.string().describe('such as (2 + 3) * 4') });
    mcp.registerTool('calculator', { description: 'Evaluate arithmetic.', inputSchema }, async ({ expression }) => {
      received.push(expression);
      return { content: [{ type: 'text', text: '444' }] };
    });
    const [ours, theirs] = InMemoryTransport.createLinkedPair();
    const tools = new Client({ name: 'test', version: '1' });
    await Promise.all([mcp.connect(theirs), tools.connect(ours)]);
    await using served = await serveNano(model, { reasoningRecall: 'off' });
    const client = createClient({
      baseURL: `${served.server.url}/v1`,
      model: 'nano',
      stream,
      fetch: spyFetch(served.bodies),
    });
    const loop = runTools(client, {
      messages: [{ role: 'user', content: 'What is 37 * 12?' }],
      tools: await mcpTools(tools),
      thinking: true,
    });
    const { content } = await loop.message();
    await tools.close();
    expect(content).toContain('444');
    expect(received).toEqual(['37 * 12']);
    const sent = served.bodies[1].body['messages'] as Record<string, unknown>[];
    expect(sent[1]).toMatchObject({ reasoning_content: expect.stringMatching(/calculator/) as string });
    expect(sent[2]).toMatchObject({ role: 'tool', content: '444' });
    expect(served.asked[1].messages[1]).toMatchObject({ reasoning: sent[1]?.['reasoning_content'] });
    const [before, after] = served.prompts;
    expect(after.startsWith(before)).toBe(true);
    expect(after).toContain('<tool_response>\n444\n</tool_response>');
  },
);
