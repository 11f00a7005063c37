// `<tool_call>` blocks in a text that is already there: used where reading was held back or has to be done again. Gives the
// same answers as tag-call-scan.ts, but jumps between tags through sorted indices and remembers where reading on led, so that
// many nested beginnings cost no more than one.
import { type BlockResolver, type CallContext, openCall } from './call-grammar.ts';
import type { OpenCall } from './message-builder.ts';
import { pythonStrip, skipSpace } from './python-format.ts';
import { close, functionClose, functionOpen, open, parameterClose, parameterOpen } from './tag-scanner.ts';
import { convertValue } from './tool-arguments.ts';

interface ResolvedFunction {
  name: string;
  /** Keys, stripped, and where their values lie. */
  parameters: { key: string; start: number; end: number }[];
}

interface Outcome {
  /** -1: no block. */
  end: number;
  /** Whether the functions that begin later in the block are all known. */
  laterKnown: boolean;
}

const failed: Outcome = { end: -1, laterKnown: false };

export class TagCallResolver implements BlockResolver {
  readonly #context: CallContext;
  readonly #text: string;
  readonly #isFinal: boolean;
  /** Where a tag stands that continues a function: parameter, end of function, end of block. */
  readonly #markers: number[] = [];
  /** Where `</parameter>` ends a value, and the marker that proves it. */
  readonly #valueEnds: number[] = [];
  readonly #valueNext: number[] = [];
  readonly #outcomes = new Map<number, Outcome>();

  constructor(context: CallContext, text: string, isFinal: boolean) {
    this.#context = context;
    this.#text = text;
    this.#isFinal = isFinal;
    for (let at = text.indexOf('<'); at >= 0; at = text.indexOf('<', at + 1)) {
      if (text.startsWith(parameterClose, at)) {
        const next = skipSpace(this.#text, at + parameterClose.length);
        if (!this.#isMarker(next)) continue;
        this.#valueEnds.push(at);
        this.#valueNext.push(next);
      } else if (this.#isMarker(at)) this.#markers.push(at);
    }
  }

  /** The block that begins with the `<tool_call>` at this index, undefined when none does. */
  block(at: number): { end: number; isKnown: boolean } | undefined {
    const begin = this.#functionAt(skipSpace(this.#text, at + open.length));
    if (begin === undefined) return undefined;
    const outcome = this.#follow(begin.marker);
    if (outcome.end < 0) return undefined;
    return { end: outcome.end, isKnown: begin.isKnown && outcome.laterKnown };
  }

  calls(at: number): OpenCall[] {
    return this.#functions(at).map(({ name, parameters }) => {
      const tool = this.#context.tools.get(name)!;
      const call = openCall(this.#context, tool);
      for (const { key, start, end } of parameters) {
        call.values.delete(key);
        call.values.set(key, convertValue(this.#text.slice(start, end), tool.rule(key)));
      }
      return call;
    });
  }

  /** The functions of a block that `block` has found. */
  #functions(at: number): ResolvedFunction[] {
    const functions: ResolvedFunction[] = [];
    let begin = this.#functionAt(skipSpace(this.#text, at + open.length));
    while (begin !== undefined) {
      const current: ResolvedFunction = { name: begin.name, parameters: [] };
      functions.push(current);
      let marker = begin.marker;
      for (let step = this.#step(marker); step.parameter !== undefined; step = this.#step(marker)) {
        current.parameters.push(step.parameter);
        marker = step.next;
      }
      begin = this.#text.startsWith(functionClose, marker)
        ? this.#functionAt(skipSpace(this.#text, marker + functionClose.length))
        : undefined;
    }
    return functions;
  }

  /** Reads on from a marker; every marker is read at most once. */
  #follow(start: number): Outcome {
    const visited: { marker: number; known: boolean }[] = [];
    let marker = start;
    let outcome: Outcome | undefined;
    while (outcome === undefined) {
      const seen = this.#outcomes.get(marker);
      if (seen !== undefined) {
        outcome = seen;
        break;
      }
      const step = this.#step(marker);
      visited.push({ marker, known: step.isKnown });
      if (step.end !== undefined) outcome = { end: step.end, laterKnown: true };
      else if (step.next < 0) outcome = failed;
      else marker = step.next;
    }
    for (let i = visited.length - 1; i >= 0; i--) {
      const { marker, known } = visited[i]!;
      if (outcome.end >= 0 && !known && outcome.laterKnown) outcome = { end: outcome.end, laterKnown: false };
      this.#outcomes.set(marker, outcome);
    }
    return outcome;
  }

  /** What the marker leads to: a parameter and the next marker, the next function's marker, the end of the block, or -1. */
  #step(marker: number): {
    next: number;
    end?: number;
    isKnown: boolean;
    parameter?: ResolvedFunction['parameters'][0];
  } {
    const nothing = { next: -1, isKnown: true };
    if (this.#text.startsWith(parameterOpen, marker)) {
      const from = marker + parameterOpen.length;
      const keyEnd = this.#text.indexOf('>', from);
      if (keyEnd <= from) return nothing;
      const index = firstAtLeast(this.#valueEnds, keyEnd + 1);
      if (index === this.#valueEnds.length) return nothing;
      const parameter = {
        key: pythonStrip(this.#text.slice(from, keyEnd)),
        start: keyEnd + 1,
        end: this.#valueEnds[index]!,
      };
      return { next: this.#valueNext[index]!, isKnown: true, parameter };
    }
    if (this.#text.startsWith(close, marker)) return { next: -1, end: marker + close.length, isKnown: true };
    const end = marker + functionClose.length;
    const after = skipSpace(this.#text, end);
    if (this.#text.startsWith(close, after)) return { next: -1, end: after + close.length, isKnown: true };
    if (this.#text.startsWith(open, after) || (after === this.#text.length && this.#isFinal)) {
      return { next: -1, end, isKnown: true };
    }
    const begin = this.#functionAt(after);
    return begin === undefined ? nothing : { next: begin.marker, isKnown: begin.isKnown };
  }

  #functionAt(at: number): { name: string; isKnown: boolean; marker: number } | undefined {
    if (!this.#text.startsWith(functionOpen, at)) return undefined;
    const from = at + functionOpen.length;
    const end = this.#text.indexOf('>', from);
    if (end <= from) return undefined;
    const index = firstAtLeast(this.#markers, end + 1);
    if (index === this.#markers.length) return undefined;
    const name = pythonStrip(this.#text.slice(from, end));
    return { name, isKnown: this.#context.tools.has(name), marker: this.#markers[index]! };
  }

  #isMarker(at: number): boolean {
    return (
      this.#text.startsWith(parameterOpen, at) ||
      this.#text.startsWith(functionClose, at) ||
      this.#text.startsWith(close, at)
    );
  }
}

/** Index of the first element that is not below `value`; the length when there is none. */
function firstAtLeast(sorted: readonly number[], value: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle]! < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
