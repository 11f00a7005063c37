// Wishes for the form of an answer (JSON, a schema, a grammar), in every spelling that clients use. No model here can be held to
// one, and an answer that ignores it would look like one that kept it: so it is refused by name. Why:
// docs/decisions/0008-no-constrained-json.md.
import { isJsonObject, jsonGet, type JsonValue } from '@mimokit/protocol';
import { badField } from './http-error.ts';

/** Fields of vLLM, SGLang and llama.cpp that are constraints whatever their value. */
const spellings = [
  'guided_json',
  'guided_regex',
  'guided_choice',
  'guided_grammar',
  'structured_outputs',
  'json_schema',
  'grammar',
  'regex',
  'ebnf',
  'structural_tag',
] as const;

const hint =
  'Describe the form in the prompt, or ask for a call (tool_choice) whose parameters are the form: its frame is forced.';

/** Throws `invalid-argument` for a wish that would have to be ignored. `under` names the object, for errors. */
export function refuseConstraints(fields: object, under: string = ''): void {
  const body = fields as Readonly<Record<string, unknown>>;
  for (const name of spellings) {
    if (body[name] !== undefined && body[name] !== null) {
      throw badField(under + name, 'is not supported: answers are not held to a grammar', hint);
    }
  }
  refuseFormat(body['response_format'], `${under}response_format`);
  refuseFormat(body['output_format'], `${under}output_format`);
  refuseFormat(formatOf(body['text']), `${under}text.format`);
  refuseFormat(formatOf(body['output_config']), `${under}output_config.format`);
}

function formatOf(holder: unknown): unknown {
  return isJsonObject(holder) ? jsonGet(holder as JsonValue, 'format') : undefined;
}

function refuseFormat(format: unknown, field: string): void {
  if (format === undefined || format === null) return;
  const type = isJsonObject(format) ? jsonGet(format as JsonValue, 'type') : undefined;
  if (type === 'text') return;
  const name = typeof type === 'string' ? `{ type: '${type.slice(0, 32)}' }` : 'this';
  throw badField(field, `cannot be ${name}: answers are not held to a grammar`, hint);
}
