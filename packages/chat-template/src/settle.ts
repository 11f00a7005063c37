// Content whose meaning was open and now is not: the text of a block that failed, or what was held back in a code fence.
// Finds the calls in it, silently (nothing was announced), and gives the rest to the builder as text.
import { CallResolver } from './call-resolver.ts';
import type { FenceTracker } from './fence.ts';
import type { MessageBuilder, OpenCall } from './message-builder.ts';
import { heldBack, open } from './tag-scanner.ts';
import { convertValue, type ToolRules } from './tool-arguments.ts';

export interface SettleContext {
  builder: MessageBuilder;
  tools: ReadonlyMap<string, ToolRules>;
  nextId: () => string;
  /** Whether a call may begin at text[at], as far as it can be seen without reading the block. */
  mayBegin(text: string, at: number): boolean;
}

export interface Settled {
  /** The end of the text that may be the beginning of a tag: to be read again with what follows. */
  carry: string;
  /** Text from the first possible call in a fence that is still open: to be held until the fence closes. */
  held: string;
}

/**
 * Settles text[from..]; what lies before was dealt with but belongs to the same line. A fence that is still open at the end
 * of a text that is not final holds back; at the end of a final text it is none, and the calls in it are calls.
 */
export function settle(
  context: SettleContext,
  whole: string,
  from: number,
  fence: FenceTracker | undefined,
  isFinal: boolean,
): Settled {
  const tail = isFinal ? 0 : heldBack(whole, open);
  const text = tail === 0 ? whole : whole.slice(0, -tail);
  const resolver = new CallResolver(text, isFinal, (name) => context.tools.has(name));
  const { builder } = context;
  let fences = fence;
  let done = from;
  let fed = 0;
  let search = from;
  for (;;) {
    const found = text.indexOf(open, search);
    const at = found < 0 ? text.length : found;
    if (fences !== undefined) {
      fences.feedAll(text, fed, at);
      fed = at;
      if (fences.open) {
        const closed = fences.feedUntilClosed(text, at, text.length);
        if (closed >= 0) {
          search = fed = closed;
          continue;
        }
        if (!isFinal) return { carry: tail === 0 ? '' : whole.slice(-tail), held: hold(context, text, done, at) };
        if (fences.closes()) break;
        fences = undefined;
      }
    }
    if (found < 0) break;
    const block = resolver.block(at);
    if (block === undefined) {
      search = at + open.length;
      continue;
    }
    if (block.isKnown) {
      builder.text(text.slice(done, at));
      builder.commit(callsOf(context, resolver, text, at), text.slice(at, block.end));
      done = block.end;
    }
    // Lines inside a well-formed block are values, not Markdown.
    search = fed = block.end;
    fences?.midLine();
  }
  builder.text(text.slice(done));
  return { carry: tail === 0 ? '' : whole.slice(-tail), held: '' };
}

function hold(context: SettleContext, text: string, done: number, from: number): string {
  let at = text.indexOf(open, from);
  while (at >= 0 && !context.mayBegin(text, at)) at = text.indexOf(open, at + open.length);
  context.builder.text(text.slice(done, at < 0 ? text.length : at));
  return at < 0 ? '' : text.slice(at);
}

function callsOf(context: SettleContext, resolver: CallResolver, text: string, at: number): OpenCall[] {
  return resolver.functions(at).map(({ name, parameters }) => {
    const tool = context.tools.get(name)!;
    const call: OpenCall = { id: context.nextId(), tool, values: new Map(), announced: false };
    for (const { key, start, end } of parameters) {
      call.values.delete(key);
      call.values.set(key, convertValue(text.slice(start, end), tool.rule(key)));
    }
    return call;
  });
}
