// Where the model's files lie, that they are the pinned ones, and the three tools its demonstration was trained with.
import { fileURLToPath } from 'node:url';
import demo from '../demo-tools.json' with { type: 'json' };
import { files } from './files.generated.ts';
import { checkFiles } from './pinned.ts';

export { files };

/** A tool as the model sees it; fits `Tool` of @mimokit/protocol (an alias, because an interface would not). */
export type DemoTool = {
  name: string;
  description: string;
  parameters: {
    type: 'object';
    properties: Record<string, { type: string; description?: string }>;
    required?: string[];
  };
};

/** clock, calculator and convert_units: `mimokit chat` runs them, and training knew them by these schemas. */
export const demoTools: readonly DemoTool[] = demo.map((tool) => tool.function as DemoTool);

let checked: string | undefined;

/**
 * The directory with model.safetensors, config.json and the tokenizer: hand it to `openModel` or to a runner. The first call
 * compares every file with its pinned size and SHA-256; throws `checkpoint-missing-file` or `checkpoint-malformed`.
 */
export function modelDirectory(): string {
  if (checked === undefined) {
    const directory = fileURLToPath(new URL('..', import.meta.url));
    checkFiles(directory, files);
    checked = directory;
  }
  return checked;
}
