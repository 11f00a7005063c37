// What the parser must know of a way to write calls between `<tool_call>` and `</tool_call>`: how a block is read while it
// arrives, and how blocks are found in text that is already there. Both must agree. tag-calls.ts and json-calls.ts are the two.
import type { MessageBuilder, OpenCall } from './message-builder.ts';
import type { ToolRules } from './tool-arguments.ts';

export interface CallContext {
  builder: MessageBuilder;
  tools: ReadonlyMap<string, ToolRules>;
  nextId: () => string;
}

/** A new call of this tool. */
export function openCall(context: CallContext, tool: ToolRules): OpenCall {
  return { id: context.nextId(), tool, values: new Map(), announced: false };
}

export interface LiveScan {
  readonly status: 'more' | 'done' | 'failed';
  /** Everything read, beginning with `<tool_call>`. */
  readonly raw: string;
  /** White space read after the block's end, no part of it. */
  readonly tail: string;
  readonly calls: readonly OpenCall[];
  /** False when a function of the block is not among the tools. */
  readonly isKnown: boolean;
  /** Reads text from `at` on; returns where it stopped: at the end, at a tag that is not all there, or behind the block. */
  feed(text: string, at: number, isFinal: boolean): number;
  /** No more text comes. */
  finish(): void;
}

export interface BlockResolver {
  /** The block that begins with the `<tool_call>` at this index: where it ends and whether its functions are all known. */
  block(at: number): { end: number; isKnown: boolean } | undefined;
  /** The calls of a known block. */
  calls(at: number): OpenCall[];
}

export interface CallGrammar {
  readonly name: string;
  /** What follows `<tool_call>` and white space when it is more than a word. */
  readonly opener: string;
  scan(context: CallContext): LiveScan;
  resolver(context: CallContext, text: string, isFinal: boolean): BlockResolver;
}
