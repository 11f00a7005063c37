// The arguments of a call as text: what may go back to a model or a server.

/** The object that `text` is the JSON of, or undefined. No text at all counts as no arguments. */
export function parseArguments(text: string): Record<string, unknown> | undefined {
  if (text.trim() === '') return {};
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Arguments that any server or template can read: the text itself when it is the JSON of an object, else an object that
 * holds the text. Servers answer 400 or 500 to a history with broken arguments, which would make it useless for good.
 */
export function sendableArguments(text: string): string {
  if (text.trim() === '') return '{}';
  return parseArguments(text) === undefined ? JSON.stringify({ invalid_arguments: text }) : text;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
