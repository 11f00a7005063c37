// Content whose meaning was open and now is not: the text of a block that failed, or what was held back in a code fence.
// Finds the calls in it, silently (nothing was announced), and gives the rest to the builder as text.
import type { CallContext, CallGrammar } from './call-grammar.ts';
import type { FenceTracker } from './fence.ts';
import { skipSpace } from './python-format.ts';
import { heldBack, matchTag, no, open } from './tag-scanner.ts';

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
  context: CallContext,
  grammar: CallGrammar,
  whole: string,
  from: number,
  fence: FenceTracker | undefined,
  isFinal: boolean,
): Settled {
  const tail = isFinal ? 0 : heldBack(whole, open);
  const text = tail === 0 ? whole : whole.slice(0, -tail);
  const resolver = grammar.resolver(context, text, isFinal);
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
        if (!isFinal)
          return { carry: tail === 0 ? '' : whole.slice(-tail), held: hold(context, grammar, text, done, at) };
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
      builder.commit(resolver.calls(at), text.slice(at, block.end));
      done = block.end;
    }
    // Lines inside a well-formed block are values, not Markdown.
    search = fed = block.end;
    fences?.midLine();
  }
  builder.text(text.slice(done));
  return { carry: tail === 0 ? '' : whole.slice(-tail), held: '' };
}

function hold(context: CallContext, grammar: CallGrammar, text: string, done: number, from: number): string {
  let at = text.indexOf(open, from);
  while (at >= 0 && !mayBegin(grammar, text, at + open.length)) at = text.indexOf(open, at + open.length);
  context.builder.text(text.slice(done, at < 0 ? text.length : at));
  return at < 0 ? '' : text.slice(at);
}

/** Whether a block may go on at text[from], as far as it can be seen without reading it. */
function mayBegin(grammar: CallGrammar, text: string, from: number): boolean {
  const at = skipSpace(text, from);
  return matchTag(text, at, grammar.opener, false) !== no;
}
