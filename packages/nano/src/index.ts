// Where the model's files lie, what they must hash to, and the three tools its demonstration was trained with.
import { fileURLToPath } from 'node:url';
import demo from '../demo-tools.json' with { type: 'json' };

export { files } from './files.generated.ts';

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

/** The directory with model.safetensors, config.json and the tokenizer: hand it to `openModel` or to a runner. */
export function modelDirectory(): string {
  return fileURLToPath(new URL('..', import.meta.url));
}
