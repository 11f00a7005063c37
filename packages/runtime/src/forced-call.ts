// toolChoice `required` or one tool by name: how an answer is made to be a call. Decides the opening ids; the rest the model
// writes itself. No messages and no events here.
import { type ChatRequest, type GenerateRequest, MimoError, type Tool } from '@mimokit/protocol';
import type { Tokenizer } from '@mimokit/tokenizer';
import type { Engine } from './engine.ts';

const opening = '<tool_call>\n<function=';
/** Far beyond any logit, and small enough that a float still tells two allowed ids apart. */
const certain = 1e4;

/** The names that a request's choice leaves, or undefined when the model decides. Throws `invalid-argument`. */
export function forcedNames(choice: ChatRequest['toolChoice'], tools: readonly Tool[]): string[] | undefined {
  if (choice === undefined || choice === 'auto' || choice === 'none') return undefined;
  const names = tools.map(({ name }) => name).filter((name) => choice === 'required' || name === choice.name);
  if (names.length > 0) return names;
  const wish = choice === 'required' ? 'a call and there are no tools' : `${choice.name}, which is not among the tools`;
  throw new MimoError('invalid-argument', `toolChoice asks for ${wish}.`, { field: 'toolChoice' });
}

/** Bias under which an answer does not end by itself. */
export function endlessBias(stopIds: Iterable<number>): Map<number, number> {
  return new Map([...stopIds].map((id) => [id, -certain]));
}

/**
 * Ids of `<tool_call>\n<function=NAME>\n`. Among several names the model chooses: wherever the names' ids part, it picks one
 * of the ids that go on.
 */
export async function openCall(parts: {
  engine: Engine;
  tokenizer: Tokenizer;
  names: readonly string[];
  prompt: Int32Array;
  /** Sampling, seed, tenant and signal of the request. */
  request: Omit<GenerateRequest, 'ids'>;
}): Promise<number[]> {
  const { engine, tokenizer, prompt, request } = parts;
  let candidates = parts.names.map((name) => {
    const literal = [{ start: opening.length, end: opening.length + name.length }];
    return [...tokenizer.encode(`${opening}${name}>\n`, { literal })];
  });
  const ids: number[] = [];
  while (candidates.some((candidate) => candidate.length > ids.length)) {
    const next = new Set(candidates.map((candidate) => candidate[ids.length]).filter((id) => id !== undefined));
    const [only] = next;
    const id = next.size === 1 ? only : await pick(engine, { ...request, ids: [...prompt, ...ids] }, next);
    ids.push(id);
    candidates = candidates.filter((candidate) => candidate[ids.length - 1] === id);
  }
  return ids;
}

async function pick(engine: Engine, request: GenerateRequest, allowed: ReadonlySet<number>): Promise<number> {
  const bias = new Map([...allowed].map((id) => [id, certain]));
  const asked: GenerateRequest = { ...request, bias, maxTokens: 1, ignoreEos: true, mtp: false };
  for await (const event of engine.generate(asked)) {
    if (event.type === 'tokens' && event.ids[0] !== undefined && allowed.has(event.ids[0])) return event.ids[0];
  }
  if (request.signal?.aborted === true) throw new MimoError('aborted', 'The request was aborted.');
  throw new MimoError('runner-failed', 'The runner picked none of the ids that the bias allows.');
}
