// Tools of an MCP server → tools of runTools, through any client that lists and calls: both official SDKs (1.x and 2.x) fit.
// Opens no connection and imports no SDK.
import { leanSchema, MimoError } from '@mimokit/protocol';
import { type RunnableTool, tool } from './tool.ts';

/** The two methods of an MCP client that are used. */
export interface McpClient {
  listTools(params?: { cursor?: string }): Promise<McpToolPage>;
  callTool(params: { name: string; arguments?: Record<string, unknown> }): Promise<unknown>;
}

export interface McpToolPage {
  tools: readonly McpTool[];
  nextCursor?: string | undefined;
}

export interface McpTool {
  name: string;
  description?: string | undefined;
  inputSchema: { readonly [key: string]: unknown };
}

export interface McpToolsOptions {
  /** Put before every name, so that two servers' tools cannot collide. */
  prefix?: string;
  /** Which tools the model may see, by the server's own name. Default: all. */
  only?: (name: string) => boolean;
  /** For every tool; default: the loop's. The SDK's own clock of a minute is not used. */
  timeoutMs?: number;
  /** Most calls of one tool at one time. */
  concurrency?: number;
}

const mostPages = 1000;
/** The longest time that a timer takes. */
const noTimeoutMs = 0x7fffffff;

/**
 * All tools of a connected client, sorted by name: the same order every time keeps prompts, and with them the prefix cache.
 * What an MCP tool reports as its error, and what the connection throws, is told to the model.
 */
export async function mcpTools(client: McpClient, options: McpToolsOptions = {}): Promise<RunnableTool[]> {
  const { prefix = '', only = () => true } = options;
  const listed = await listAll(client);
  const chosen = listed.filter((one) => only(one.name)).sort((a, b) => (a.name < b.name ? -1 : 1));
  return chosen.map((one) =>
    tool({
      name: prefix + one.name,
      ...(one.description === undefined ? {} : { description: one.description }),
      parameters: leanSchema(one.inputSchema),
      ...(options.timeoutMs === undefined ? {} : { timeoutMs: options.timeoutMs }),
      ...(options.concurrency === undefined ? {} : { concurrency: options.concurrency }),
      execute: async (input, { signal }) => readResult(await call(client, one.name, input, signal)),
    }),
  );
}

async function listAll(client: McpClient): Promise<McpTool[]> {
  const tools: McpTool[] = [];
  let cursor: string | undefined;
  for (let page = 0; page < mostPages; page++) {
    const { tools: some, nextCursor } = await client.listTools(cursor === undefined ? {} : { cursor });
    tools.push(...some);
    if (nextCursor === undefined || nextCursor === cursor) return tools;
    cursor = nextCursor;
  }
  throw new MimoError(
    'invalid-tool',
    `The MCP server lists tools without end (${tools.length} on ${mostPages} pages).`,
    {
      hint: 'Its cursor never ends; ask its maker.',
    },
  );
}

function call(client: McpClient, name: string, input: Record<string, unknown>, signal: AbortSignal): Promise<unknown> {
  const { callTool } = client;
  const options = { signal, timeout: noTimeoutMs };
  const params = { name, arguments: input };
  // SDK 2 takes the options second, SDK 1 third, after a schema with a default value, which a function's length leaves out.
  return Reflect.apply(callTool, client, callTool.length >= 2 ? [params, options] : [params, undefined, options]);
}

/** The text for the model. Throws what the tool reported as an error. */
function readResult(result: unknown): unknown {
  if (!isObject(result)) return result;
  // Servers of before 2025 answer in this field.
  if (!('content' in result) && 'toolResult' in result) return result['toolResult'];
  const { content, structuredContent, isError } = result;
  const parts = Array.isArray(content) ? content.map(printPart) : [];
  const text =
    parts.length === 0 && structuredContent !== undefined ? JSON.stringify(structuredContent) : parts.join('\n');
  if (isError === true) throw new Error(text || 'the tool failed without a message');
  return text;
}

function printPart(part: unknown): string {
  if (!isObject(part)) return String(part);
  const { type, text, resource, uri, name, mimeType, data } = part;
  if (type === 'text' && typeof text === 'string') return text;
  if (type === 'resource' && isObject(resource)) {
    const { text: body, uri: from, mimeType: kind } = resource;
    return typeof body === 'string' ? body : `[resource ${String(from)}, ${String(kind ?? 'binary')}: not shown]`;
  }
  if (type === 'resource_link') return `[resource ${String(name ?? '')} at ${String(uri)}]`;
  const length = typeof data === 'string' ? `, ${data.length} characters of base64` : '';
  return `[${String(type)} ${String(mimeType ?? '')}${length}: not shown]`;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
