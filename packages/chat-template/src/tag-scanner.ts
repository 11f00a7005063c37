// Tags in text that arrives in pieces: whether one starts here, certainly does not, or may once more text is there.

export const open = '<tool_call>';
export const close = '</tool_call>';
export const functionOpen = '<function=';
export const functionClose = '</function>';
export const parameterOpen = '<parameter=';
export const parameterClose = '</parameter>';
export const thinkOpen = '<think>';
export const thinkClose = '</think>';

export const yes = 1;
export const no = 0;
export const perhaps = -1;
export type Match = typeof yes | typeof no | typeof perhaps;

/** Whether `tag` stands at text[at]; `perhaps` when the text ends first, unless it is final. */
export function matchTag(text: string, at: number, tag: string, isFinal: boolean): Match {
  if (text.startsWith(tag, at)) return yes;
  if (isFinal || text.length - at >= tag.length) return no;
  for (let i = at; i < text.length; i++) if (text.charCodeAt(i) !== tag.charCodeAt(i - at)) return no;
  return perhaps;
}

/** The first of `tags` that stands at text[at]; `perhaps` when one may, `no` when none can. */
export function matchOne(
  text: string,
  at: number,
  tags: readonly string[],
  isFinal: boolean,
): string | typeof no | typeof perhaps {
  let result: typeof no | typeof perhaps = no;
  for (const tag of tags) {
    const match = matchTag(text, at, tag, isFinal);
    if (match === yes) return tag;
    if (match === perhaps) result = perhaps;
  }
  return result;
}

/** Length of the longest proper prefix of `tag` that ends the text. */
export function heldBack(text: string, tag: string): number {
  const at = text.lastIndexOf('<');
  return at >= 0 && matchTag(text, at, tag, false) === perhaps ? text.length - at : 0;
}
