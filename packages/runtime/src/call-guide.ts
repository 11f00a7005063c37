// A call that must be made, as a guide: the opening with one of the names, then the frame of the arguments as the tool's schema
// has it; values are the model's own. Which tools are meant is forced-call.ts.
import type { Demand, Guide } from './guide.ts';
import { advance, free, type IdText, oneOf, type Way } from './guide-text.ts';

export interface ForcedTool {
  /** What opens its call, up to where the arguments start. No tool's may be the beginning of another's. */
  opening: readonly number[];
  /** Names of its parameters, each written at most once; undefined: the model writes the arguments as it likes. */
  parameters: readonly string[] | undefined;
  /** Those without which the call is not complete. */
  required: readonly string[];
}

export interface ForcedCall {
  tools: readonly ForcedTool[];
  /** Ids that would end the answer: banned until the call is complete. */
  stopIds: readonly number[];
  /** Given after the call; undefined: the model goes on as it likes, also with more calls. */
  endId: number | undefined;
}

const callOpen = '<tool_call>';
const callClose = '</tool_call>';
const valueClose = '</parameter>';

export class CallGuide {
  readonly #call: ForcedCall;
  readonly #text: IdText;
  readonly #inValue: Demand;
  /** The answer does not end; also the demand of the reasoning before the call, so that drafts go on. */
  readonly endless: Demand;

  constructor(call: ForcedCall, text: IdText) {
    this.#call = call;
    this.#text = text;
    this.endless = { ban: call.stopIds };
    // Inside a value these would break the call; spelled out in other ids they are text.
    const tags = [callOpen, callClose].map((tag) => text.encode(tag)).filter((ids) => ids.length === 1);
    this.#inValue = { ban: [...new Set([...call.stopIds, ...tags.flat()])] };
  }

  /** The ways into the call. */
  ways(): Way[] {
    return this.#call.tools.map((tool) => ({
      ids: tool.opening,
      next: () => (tool.parameters === undefined ? this.#anything(0) : this.#parameter(tool, new Set())),
    }));
  }

  /** A parameter that is not written yet, or the end once the required ones are. */
  #parameter(tool: ForcedTool, written: ReadonlySet<string>): Guide {
    const left = tool.parameters!.filter((name) => !written.has(name));
    const ways: Way[] = left.map((name) => {
      const before = '<parameter=';
      const literal = { start: before.length, end: before.length + name.length };
      return {
        ids: this.#text.encode(`${before}${name}>`, literal),
        next: () => this.#value(tool, new Set([...written, name]), 0),
      };
    });
    if (!tool.required.some((name) => left.includes(name))) {
      ways.push({ ids: this.#text.encode(`</function>\n${callClose}`), next: () => this.#end() });
    }
    return oneOf(ways);
  }

  #value(tool: ForcedTool, written: ReadonlySet<string>, matched: number): Guide {
    return {
      demand: this.#inValue,
      after: (id) => {
        const next = advance(valueClose, matched, this.#text.decode(id));
        if (next.rest === undefined) return this.#value(tool, written, next.matched);
        const go = (): Guide => this.#parameter(tool, written);
        if (next.rest === '') return oneOf([{ ids: this.#text.encode('\n'), next: go }]);
        // An id that goes on otherwise than the frame does: what was asked for is written, the rest is up to the model.
        return next.rest === '\n' ? go() : this.#anything(0);
      },
    };
  }

  /** Until the call is closed. */
  #anything(matched: number): Guide {
    return {
      demand: this.endless,
      after: (id) => {
        const next = advance(callClose, matched, this.#text.decode(id));
        return next.rest === undefined ? this.#anything(next.matched) : this.#end();
      },
    };
  }

  #end(): Guide {
    const { endId } = this.#call;
    return endId === undefined ? free : oneOf([{ ids: [endId], next: () => free }]);
  }
}
