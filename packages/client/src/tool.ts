// tool(): a function with a schema → something the loop can show to a model, check and run.
import type { StandardSchemaV1 } from '@standard-schema/spec';
import { type Message, MimoError, type Tool, type ToolCall } from '@mimokit/protocol';
import { isStandardSchema, toJsonSchema } from './to-json-schema.ts';

export interface ToolContext {
  readonly call: ToolCall;
  /** Aborts when the loop is aborted or left, and when the tool's time is over. */
  readonly signal: AbortSignal;
  /** The conversation up to the call. */
  readonly messages: readonly Message[];
}

interface ToolBasics {
  name: string;
  description?: string;
  /** Overrides the loop's toolTimeoutMs; Infinity = none. */
  timeoutMs?: number;
  /** Most calls of this tool at one time; 1 = one after another. */
  concurrency?: number;
}

export interface StandardToolOptions<Schema extends StandardSchemaV1> extends ToolBasics {
  /** zod, Valibot, ArkType or any other Standard Schema: arguments are validated, `execute` gets its output. */
  parameters: Schema;
  /** For schemas without a converter of their own, for example `z.toJSONSchema`. */
  toJsonSchema?: (schema: Schema) => unknown;
  /** Returns (or resolves to) text or any JSON value; what it throws is told to the model. */
  execute(input: StandardSchemaV1.InferOutput<Schema>, context: ToolContext): unknown;
}

export interface JsonToolOptions extends ToolBasics {
  /** Plain JSON Schema: shown to the model, not enforced. Left out: no parameters. */
  parameters?: Readonly<Record<string, unknown>>;
  execute(input: Record<string, unknown>, context: ToolContext): unknown;
}

export type PreparedCall = { run(context: ToolContext): unknown } | { problem: string };

/** A tool that runTools can run; made by tool(). */
export interface RunnableTool {
  /** What the model sees. */
  readonly definition: Tool;
  readonly timeoutMs: number | undefined;
  readonly concurrency: number;
  /** Checks an arguments object; a problem is a sentence for the model. */
  prepare(input: Record<string, unknown>): Promise<PreparedCall>;
}

/** Throws `invalid-tool` for a name or schema that no model could be shown. */
export function tool<Schema extends StandardSchemaV1>(options: StandardToolOptions<Schema>): RunnableTool;
export function tool(options: JsonToolOptions): RunnableTool;
export function tool(options: StandardToolOptions<StandardSchemaV1> | JsonToolOptions): RunnableTool {
  const { name, description, timeoutMs, concurrency = Infinity } = options;
  if (typeof name !== 'string' || name === '')
    throw new MimoError('invalid-tool', 'A tool needs a name.', { hint: 'Set name.' });
  if (!(concurrency >= 1)) {
    throw new MimoError('invalid-tool', `Tool ${name}: concurrency is ${concurrency}; it must be at least 1.`, {
      tool: name,
    });
  }
  const definition: Tool = { name };
  if (description !== undefined) definition.description = description;
  definition.parameters = parametersOf(options);
  return {
    definition,
    timeoutMs,
    concurrency,
    prepare: isStandardTool(options)
      ? (input) => prepareStandard(options, input)
      : async (input) => ({ run: (context) => options.execute(input, context) }),
  };
}

async function prepareStandard(options: StandardToolOptions<StandardSchemaV1>, input: unknown): Promise<PreparedCall> {
  const result = await options.parameters['~standard'].validate(input);
  if (result.issues) return { problem: result.issues.map(printIssue).join('; ') };
  const { value } = result;
  return { run: (context) => options.execute(value, context) };
}

function parametersOf(options: StandardToolOptions<StandardSchemaV1> | JsonToolOptions): unknown {
  if (!isStandardTool(options)) return options.parameters ?? { type: 'object', properties: {} };
  return toJsonSchema(options.parameters, { toolName: options.name, convert: options.toJsonSchema });
}

function isStandardTool(
  options: StandardToolOptions<StandardSchemaV1> | JsonToolOptions,
): options is StandardToolOptions<StandardSchemaV1> {
  return isStandardSchema(options.parameters);
}

function printIssue(issue: StandardSchemaV1.Issue): string {
  const path = (issue.path ?? []).map((part) => String(typeof part === 'object' ? part.key : part)).join('.');
  return path === '' ? issue.message : `${path}: ${issue.message}`;
}
