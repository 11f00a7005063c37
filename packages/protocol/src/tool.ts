// Tools as the model sees them: a name, a description, a JSON Schema of the parameters.
import { type JsonObject, type JsonValue, jsonEntries } from './json.ts';

/** A function the model may call. Further keys are shown to the model in the order they were written. */
export interface Tool {
  name: string;
  description?: string;
  /** JSON Schema of the arguments object. */
  parameters?: unknown;
  [extra: string]: unknown;
}

export type ToolChoice = 'auto' | 'none' | 'required' | { readonly name: string };

const written = Symbol.for('mimokit.tool.entries');

/** The key order of a tool, also where a plain object would move integer-like keys to the front. */
export const toolEntries: {
  keep(tool: Tool, source: JsonObject): Tool;
  of(tool: Tool): Iterable<readonly [string, JsonValue]>;
} = {
  keep(tool, source) {
    if (source instanceof Map) Object.defineProperty(tool, written, { value: source });
    return tool;
  },
  of(tool) {
    const source = (tool as { [written]?: JsonObject })[written];
    return jsonEntries(source ?? (tool as unknown as JsonObject));
  },
};
