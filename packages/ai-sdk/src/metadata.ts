// What travels beside the SDK's own parts, so that the next request has the model's own bytes: the SDK keeps metadata of a
// part and hands it back as options.
import type { ToolCall } from '@mimokit/protocol';

/** Under this key in providerMetadata and providerOptions. */
export const metadataKey = 'mimokit';

type Metadata = Record<string, Record<string, string>>;

/** The SDK parses arguments, and a parsed 1.0 is 1: the text as the model wrote it goes along. */
export function callMetadata(call: ToolCall): Metadata {
  const { arguments: text, source } = call;
  return { [metadataKey]: { arguments: text, ...(source === undefined ? {} : { source }) } };
}

/** The call as it was written, unless its input was changed since. */
export function recalledCall(input: unknown, options: unknown): Pick<ToolCall, 'arguments' | 'source'> | undefined {
  const kept = ownOptions(options);
  const text = kept['arguments'];
  const source = kept['source'];
  if (typeof text !== 'string' || !meansSame(text, input)) return undefined;
  return typeof source === 'string' ? { arguments: text, source } : { arguments: text };
}

/** Our part of providerOptions, empty when there is none. */
export function ownOptions(options: unknown): Readonly<Record<string, unknown>> {
  if (!isRecord(options)) return {};
  const own = options[metadataKey];
  return isRecord(own) ? own : {};
}

function meansSame(text: string, input: unknown): boolean {
  try {
    return JSON.stringify(JSON.parse(text)) === JSON.stringify(input);
  } catch {
    // Not JSON: the SDK hands such input on as the text itself.
    return text === input;
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
