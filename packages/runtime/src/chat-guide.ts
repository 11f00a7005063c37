// What guides a chat's answer: reasoning that must close after a budget, and a call that must be made (call-guide.ts). Tags are
// matched as text, in whatever ids they are written. How the engine obeys is guide.ts.
import { CallGuide, type ForcedCall } from './call-guide.ts';
import type { Guide } from './guide.ts';
import { advance, free, type IdText, oneOf } from './guide-text.ts';

export interface AnswerPlan {
  /** How the output begins, from RenderedPrompt. */
  output: 'auto' | 'content' | 'reasoning';
  /** Ids of reasoning after which `</think>` is given; undefined: as many as the model likes. */
  thinkingBudget: number | undefined;
  /** A call that must be made; undefined: the model decides. */
  call: ForcedCall | undefined;
  text: IdText;
}

const thinkOpen = '<think>';
const thinkClose = '</think>';

/** The guide of one answer; undefined when the model is free all along. */
export function chatGuide(plan: AnswerPlan): Guide | undefined {
  const { output, thinkingBudget, text } = plan;
  if (plan.call === undefined && (thinkingBudget === undefined || output === 'content')) return undefined;
  const call = plan.call && new CallGuide(plan.call, text);
  const close = { ids: text.encode(thinkClose), next: () => (call === undefined ? free : oneOf(call.ways())) };

  const reasoning = (count: number, matched: number): Guide => {
    if (thinkingBudget !== undefined && count >= thinkingBudget) return oneOf([close]);
    return {
      demand: call?.endless,
      after: (id) => {
        const next = advance(thinkClose, matched, text.decode(id));
        return next.rest === undefined ? reasoning(count + 1, next.matched) : close.next();
      },
    };
  };
  /** White space, then perhaps `<think>`; with a call to make, the model chooses between the two. */
  const lead = (matched: number): Guide => ({
    demand: undefined,
    after: (id) => {
      let at = matched;
      for (const character of text.decode(id)) {
        if (at === 0 && character.trim() === '') continue;
        if (thinkOpen[at] !== character) return free;
        if (++at === thinkOpen.length) return reasoning(0, 0);
      }
      return lead(at);
    },
  });

  if (output === 'reasoning') return reasoning(0, 0);
  if (call === undefined) return lead(0);
  const think = { ids: text.encode(thinkOpen), next: () => reasoning(0, 0) };
  return oneOf(output === 'auto' ? [think, ...call.ways()] : call.ways());
}
