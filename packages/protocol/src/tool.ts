// Tools as the model sees them: a name, a description, a JSON Schema of the parameters.

/** A function the model may call. Further keys are shown to the model in the order they were written. */
export interface Tool {
  name: string;
  description?: string;
  /** JSON Schema of the arguments object. */
  parameters?: unknown;
  [extra: string]: unknown;
}

export type ToolChoice = 'auto' | 'none' | 'required' | { readonly name: string };
