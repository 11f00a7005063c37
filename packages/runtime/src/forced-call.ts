// toolChoice `required` or one tool by name, as the guide wants it: which tools are meant, and how their calls are written.
import type { ChatTemplate } from '@mimokit/chat-template';
import { type ChatRequest, MimoError, type Tool } from '@mimokit/protocol';
import type { ForcedCall, ForcedTool } from './call-guide.ts';
import type { IdText } from './guide-text.ts';

/** The call that a request asks for, or undefined when the model decides. Throws `invalid-argument`. */
export function forcedCall(
  choice: ChatRequest['toolChoice'],
  tools: readonly Tool[],
  parts: { template: ChatTemplate; text: IdText; stopIds: readonly number[]; endId: number | undefined },
): ForcedCall | undefined {
  if (choice === undefined || choice === 'auto' || choice === 'none') return undefined;
  const isNamed = choice !== 'required';
  const meant = new Map(
    tools.filter(({ name }) => !isNamed || name === choice.name).map((tool): [string, Tool] => [tool.name, tool]),
  );
  if (meant.size === 0) {
    const wish = isNamed ? `${choice.name}, which is not among the tools` : 'a call and there are no tools';
    throw new MimoError('invalid-argument', `toolChoice asks for ${wish}.`, { field: 'toolChoice' });
  }
  const { template, text, stopIds, endId } = parts;
  return {
    tools: [...meant.values()].map((tool) => forcedTool(tool, template, text)),
    stopIds,
    endId: isNamed ? endId : undefined,
  };
}

function forcedTool({ name, parameters }: Tool, { profile }: ChatTemplate, text: IdText): ForcedTool {
  // A name is the caller's text: what looks like a special token in it is none.
  const opening = (before: string, written: string, after: string): readonly number[] =>
    text.encode(before + written + after, { start: before.length, end: before.length + written.length });
  switch (profile.calls.name) {
    case 'tags':
      return { opening: opening('<tool_call>\n<function=', name, '>\n'), ...frameOf(parameters) };
    case 'json':
      return {
        opening: opening('<tool_call>\n{"name": ', JSON.stringify(name), ', "arguments": '),
        parameters: undefined,
        required: [],
      };
    default:
      throw new MimoError('invalid-argument', `Calls in the form "${profile.calls.name}" cannot be forced.`, {
        hint: "Use toolChoice 'auto', or a profile whose calls are tags or JSON.",
        field: 'toolChoice',
      });
  }
}

/** Where a schema may name parameters that `properties` does not have. */
const elsewhere = ['additionalProperties', 'patternProperties', '$ref', 'allOf', 'anyOf', 'oneOf'];

/** The parameters that a schema names. One that names them in other ways than `properties` leaves them to the model. */
function frameOf(schema: unknown): Pick<ForcedTool, 'parameters' | 'required'> {
  const fields = isRecord(schema) ? schema : {};
  const { properties, required } = fields;
  // A `>` in a name would end its tag.
  const names = isRecord(properties) ? Object.keys(properties).filter((key) => key !== '' && !key.includes('>')) : [];
  return {
    parameters: names.length === 0 && elsewhere.some((key) => Boolean(fields[key])) ? undefined : names,
    required: Array.isArray(required) ? names.filter((name) => required.includes(name)) : [],
  };
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
