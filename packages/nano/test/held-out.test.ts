// The committed held-out dialogues: enough of every kind, every call fits the schema of an offered tool, and every invented
// tool's name lies on the side of the split that training never draws from.
import { crc32 } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { readDialogues } from '../scripts/dialogues.ts';

interface Schema {
  type: string;
  enum?: unknown[];
  items?: Schema;
  properties?: Record<string, Schema>;
  required?: string[];
}

/** The part of JSON Schema the tools use. */
function fits(value: unknown, schema: Schema): boolean {
  if (schema.enum && !schema.enum.includes(value)) return false;
  if (schema.type === 'integer') return Number.isInteger(value);
  if (schema.type === 'array') return Array.isArray(value) && value.every((item) => fits(item, schema.items!));
  if (schema.type !== 'object') return typeof value === schema.type;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const entries: [string, unknown][] = Object.entries(value);
  return (
    entries.every(([key, item]) => schema.properties?.[key] !== undefined && fits(item, schema.properties[key])) &&
    (schema.required ?? []).every((key) => key in value)
  );
}

describe.each(['micro', 'held'] as const)('the set %s', (set) => {
  const dialogues = readDialogues(set);

  test('has the promised size', () => expect(dialogues.length).toBe(set === 'micro' ? 500 : 2400));

  test('calls nothing but offered tools, by their schemas', () => {
    let calls = 0;
    for (const { id, tools, expected } of dialogues) {
      for (const call of expected.steps.flatMap((step) => step.calls)) {
        const tool = tools.find(({ function: { name } }) => name === call.name);
        expect(tool, `tool of ${call.name} in ${id}`).toBeDefined();
        expect(fits(call.arguments, tool!.function.parameters as Schema), `${call.name} in ${id}`).toBe(true);
        calls++;
      }
    }
    expect(calls).toBeGreaterThan(300);
  });

  test('has a result for every call and the result in the answer', () => {
    for (const { id, expected } of dialogues) {
      for (const { calls, results } of expected.steps) expect(results.length, String(id)).toBe(calls.length);
      for (const text of expected.restate) expect(expected.answer, String(id)).toContain(text);
    }
  });
});

describe('the invented tools', () => {
  const dialogues = readDialogues('held');
  const known = new Set(
    'clock calculator convert_units get_weather add_event read_file remember recall set_timer'.split(' '),
  );
  const invented = dialogues
    .flatMap(({ tools }) => tools.map((tool) => tool.function))
    .filter(({ name }) => !known.has(name));

  test('have names that training leaves to evaluation', () => {
    expect(invented.length).toBeGreaterThan(1000);
    expect(invented.filter(({ name }) => crc32(name) % 10 !== 0)).toEqual([]);
  });

  test('have parameters of every JSON type', () => {
    const types = invented.flatMap(({ parameters }) =>
      Object.values((parameters as { properties: Record<string, Schema> }).properties).map(({ type }) => type),
    );
    expect(new Set(types)).toEqual(new Set(['string', 'integer', 'number', 'boolean', 'array', 'object']));
  });

  test('and three-call dialogues are there in numbers that give narrow intervals', () => {
    const count = (kind: string): number => dialogues.filter((dialogue) => dialogue.kind === kind).length;
    expect(count('three')).toBeGreaterThan(200);
    expect(count('nonce')).toBeGreaterThan(700);
  });
});
