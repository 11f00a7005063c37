// The routes as an OpenAPI 3.1 document, its request bodies from the schemas that check them. Answers are described by their kind
// only: their shapes are OpenAI's, Anthropic's and SGLang's.
import { anthropicRequestSchema, chatCompletionRequestSchema, responsesRequestSchema } from '@mimokit/protocol/wire';
import { z } from 'zod';
import { completionsSchema } from './openai/completions.ts';
import { generateSchema } from './sglang/generate.ts';
import { detokenizeSchema, tokenizeSchema } from './tokens.ts';

const bodies: Readonly<Record<string, { schema: z.ZodType; summary: string; streams?: true }>> = {
  '/v1/chat/completions': { schema: chatCompletionRequestSchema, summary: 'Chat Completions', streams: true },
  '/v1/completions': { schema: completionsSchema, summary: 'Completions of raw prompts', streams: true },
  '/v1/responses': { schema: responsesRequestSchema, summary: 'Responses', streams: true },
  '/v1/messages': { schema: anthropicRequestSchema, summary: 'Anthropic Messages', streams: true },
  '/v1/messages/count_tokens': { schema: anthropicRequestSchema, summary: 'Tokens of a Messages request' },
  '/generate': { schema: generateSchema, summary: 'SGLang generate', streams: true },
  '/tokenize': { schema: tokenizeSchema, summary: 'Ids of a text or of a chat' },
  '/detokenize': { schema: detokenizeSchema, summary: 'Text of ids' },
  '/apply-template': { schema: chatCompletionRequestSchema, summary: 'The prompt of a chat' },
};

const gets: Readonly<Record<string, string>> = {
  '/health': 'It lives',
  '/ready': 'It takes requests',
  '/metrics': 'Prometheus text',
  '/v1/models': 'The models',
  '/v1/models/{id}': 'One model',
  '/v1/responses/{id}': 'A kept response',
};

/** The document. `basePath` is where the routes begin, `models` the names that are served. */
export function openApiDocument(basePath: string, models: readonly string[]): Record<string, unknown> {
  const schemas: Record<string, unknown> = {};
  const paths: Record<string, unknown> = {};
  for (const [path, { schema, summary, streams }] of Object.entries(bodies)) {
    const name = path
      .split(/[^a-z0-9]+/)
      .filter(Boolean)
      .join('_');
    const written = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
    schemas[name] = inComponents(withModels(written, models), name);
    paths[path] = {
      post: {
        summary,
        requestBody: {
          required: true,
          content: { 'application/json': { schema: { $ref: `#/components/schemas/${name}` } } },
        },
        responses: answersOf(streams === true),
      },
    };
  }
  for (const [path, summary] of Object.entries(gets)) {
    const parameters = path.includes('{id}')
      ? [{ name: 'id', in: 'path', required: true, schema: { type: 'string' } }]
      : [];
    const kind = path === '/metrics' ? 'text/plain' : 'application/json';
    const get = { summary, parameters, responses: { 200: answer(summary, kind), ...refusals } };
    const drop = { summary: 'Forget it', parameters, responses: { 200: answer('Forgotten', kind), ...refusals } };
    paths[path] = path === '/v1/responses/{id}' ? { get, delete: drop } : { get };
  }
  return {
    openapi: '3.1.0',
    info: { title: '@mimokit/server', version: '1' },
    servers: [{ url: basePath }],
    security: [{}, { bearer: [] }, { apiKey: [] }],
    paths,
    components: {
      schemas: {
        ...schemas,
        Error: { type: 'object', required: ['error'], properties: { error: { type: 'object' } } },
      },
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer' },
        apiKey: { type: 'apiKey', in: 'header', name: 'x-api-key' },
      },
    },
  };
}

/** Any other name is answered 404. */
function withModels(schema: z.core.JSONSchema.BaseSchema, models: readonly string[]): unknown {
  const { properties } = schema;
  if (properties?.['model'] === undefined) return schema;
  return { ...schema, properties: { ...properties, model: { type: 'string', enum: models } } };
}

/** References inside a schema start at the document it stands in. */
function inComponents(schema: unknown, name: string): unknown {
  const at = `#/components/schemas/${name}`;
  const text = JSON.stringify(schema)
    .replaceAll('"$ref":"#/', `"$ref":"${at}/`)
    .replaceAll('"$ref":"#"', `"$ref":"${at}"`);
  return JSON.parse(text) as unknown;
}

function answersOf(streams: boolean): Record<string, unknown> {
  const { content } = answer('', 'application/json');
  const stream = streams ? { 'text/event-stream': { schema: {} } } : {};
  return { 200: { description: 'The answer', content: { ...content, ...stream } }, ...refusals };
}

function answer(description: string, kind: string): { description: string; content: Record<string, unknown> } {
  return { description, content: { [kind]: { schema: kind === 'text/plain' ? { type: 'string' } : {} } } };
}

const refusal = {
  description: "Refused, in the API's own words",
  content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } },
};
const refusals: Readonly<Record<string, unknown>> = Object.fromEntries(
  [400, 401, 404, 405, 408, 413, 429, 503].map((status) => [status, refusal]),
);
