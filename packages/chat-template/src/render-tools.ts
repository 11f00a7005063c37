// The tools section of the system turn: how a function and its JSON Schema are shown to the model. Nothing is escaped and
// nothing is validated here: the template prints what it is given.
import {
  isJsonObject,
  type JsonObject,
  type JsonValue,
  jsonEntries,
  jsonGet,
  type Tool,
  toolEntries,
} from '@mimokit/protocol';
import { pythonJson, pythonString, pythonStrip } from './python-format.ts';

export const toolsHead: string =
  '\n\n# Tools\n\nYou may call one or more functions to assist with the user query.\n\nYou have access to the following functions:\n\n<tools>';

export const toolsTail: string =
  '\n</tools>\n\nFor each function call, output the function name and arguments in the following format:\n<tool_call>\n<function=example_function_name>\n<parameter=example_parameter_1>value_1</parameter>\n<parameter=example_parameter_2>This is the value for the second parameter\nthat can span\nmultiple lines</parameter>\n</function>\n</tool_call>\n\n<IMPORTANT>\n- Function calls MUST follow the specified format: an inner <function=...></function> block must be nested within <tool_call></tool_call> XML tags\n- DO NOT use function calls inside <think></think> tags.\n- The value enclosed between parameter tags is preserved exactly as-is, including newlines and spaces.\n</IMPORTANT>';

/** One `<function>` element, with the newline before it. */
export function renderTool(tool: Tool): string {
  let text = `\n<function>\n<name>${tool.name}</name>`;
  const description: JsonValue | undefined = tool.description;
  if (description !== undefined) text += `\n<description>${pythonStrip(pythonString(description))}</description>`;
  text += '\n<parameters>';
  const parameters = tool.parameters as JsonValue | undefined;
  const properties = jsonGet(parameters, 'properties');
  if (isJsonObject(properties)) {
    for (const [name, fields] of jsonEntries(properties)) text += renderParameter(name, fields);
  }
  if (isJsonObject(parameters)) text += extraKeys(jsonEntries(parameters), ['type', 'properties']);
  text += '\n</parameters>';
  text += extraKeys(toolEntries.of(tool), ['type', 'name', 'description', 'parameters']);
  return `${text}\n</function>`;
}

function renderParameter(name: string, fields: JsonValue): string {
  let text = `\n<parameter>\n<name>${name}</name>`;
  const type = jsonGet(fields, 'type');
  if (type !== undefined) text += `\n<type>${pythonString(type)}</type>`;
  const description = jsonGet(fields, 'description');
  if (description !== undefined) text += `\n<description>${pythonStrip(pythonString(description))}</description>`;
  if (isJsonObject(fields)) text += extraKeys(jsonEntries(fields as JsonObject), ['name', 'type', 'description']);
  return `${text}\n</parameter>`;
}

function extraKeys(entries: Iterable<readonly [string, JsonValue | undefined]>, handled: readonly string[]): string {
  let text = '';
  for (const [key, value] of entries) {
    if (value !== undefined && !handled.includes(key)) text += `\n<${key}>${renderValue(value)}</${key}>`;
  }
  return text;
}

/** Containers as JSON, scalars as str() prints them. */
export function renderValue(value: JsonValue): string {
  return Array.isArray(value) || isJsonObject(value) ? pythonJson(value) : pythonString(value);
}
