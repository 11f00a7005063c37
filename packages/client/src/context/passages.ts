// Messages as text to be found: what of a message is searched, how it is cut, and what counts as a word.
import type { Content, Message } from '@mimokit/protocol';

/** Characters of a passage, and how many the next one repeats, so that no sentence is lost at a cut. */
const passageChars = 900;
const overlapChars = 150;

/** Everything a message says, for searching and reading. */
export function textOf(message: Message): string {
  const parts: string[] = [];
  if (message.role === 'assistant') {
    if (message.reasoning) parts.push(message.reasoning);
    if (message.content !== '') parts.push(message.content);
    for (const call of message.toolCalls ?? []) parts.push(`${call.name} ${call.arguments}`);
  } else parts.push(contentText(message.content));
  return parts.join('\n');
}

export function contentText(content: Content): string {
  if (typeof content === 'string') return content;
  return content.map((part) => (typeof part.text === 'string' ? part.text : `[${part.type}]`)).join('');
}

/** The passages of a text: whole lines or words where that is possible, never half a character. */
export function passagesOf(text: string): string[] {
  const passages: string[] = [];
  let start = 0;
  while (text.length - start > passageChars) {
    const end = cutBefore(text, start + passageChars, start + passageChars / 2);
    passages.push(text.slice(start, end));
    start = cutBefore(text, end - overlapChars, end - 2 * overlapChars);
  }
  if (start < text.length || passages.length === 0) passages.push(text.slice(start));
  return passages;
}

/** The last good place to cut in (from, at]: after a line, else after a space, else between characters. */
function cutBefore(text: string, at: number, from: number): number {
  for (const separator of ['\n', ' ']) {
    const found = text.lastIndexOf(separator, at - 1);
    if (found >= from) return found + 1;
  }
  const code = text.charCodeAt(at);
  return code >= 0xdc00 && code <= 0xdfff ? at - 1 : at;
}

const segmenter = new Intl.Segmenter('und', { granularity: 'word' });

/** What holds the parts of a name together: config.token, max_size, 10:30. */
const joiners = new Set(['.', '_', ':', "'", '’', '·']);

/** The words of a text in lower case, for any script. Numbers and names count as words; of a.b also a and b. */
export function* wordsOf(text: string): Generator<string> {
  for (const { segment, isWordLike } of segmenter.segment(text.normalize('NFKC'))) {
    if (!isWordLike) continue;
    const word = segment.toLowerCase();
    yield word;
    let from = 0;
    for (let at = 0; at <= word.length; at++) {
      if (at < word.length && !joiners.has(word[at]!)) continue;
      if (at - from > 0 && at - from < word.length) yield word.slice(from, at);
      from = at + 1;
    }
  }
}
