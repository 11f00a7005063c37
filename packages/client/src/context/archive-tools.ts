// The two tools with which a model finds again what was cut from its context.
import type { Tokenizer } from '@mimokit/tokenizer';
import { type RunnableTool, tool } from '../tool.ts';
import { type Archive, type ArchiveHit, readToolName, searchToolName } from './archive.ts';

export interface ArchiveToolOptions {
  tokenizer: Tokenizer;
  /** Most tokens of one result. */
  resultTokens: number;
}

/** `search_archive` and `read_archive` over an archive. */
export function archiveTools(archive: Archive, options: ArchiveToolOptions): readonly RunnableTool[] {
  const { tokenizer, resultTokens } = options;
  return [
    tool({
      name: searchToolName,
      description:
        'Search the full text of this conversation, also what was removed or summarised. Returns the passages that fit best.',
      parameters: {
        type: 'object',
        properties: {
          query: { type: 'string', description: 'Words of what is looked for: names, numbers, terms' },
          limit: { type: 'integer', description: 'Most passages, default 5' },
        },
        required: ['query'],
      },
      execute({ query, limit }) {
        const most = Math.min(Math.max(1, Number(limit) || 5), 20);
        const hits = archive.search(String(query ?? ''), most);
        if (hits.length === 0) return 'Nothing found; try other words.';
        return fill(hits, tokenizer, resultTokens);
      },
    }),
    tool({
      name: readToolName,
      description: 'Read one passage of a message of this conversation in full, by the numbers that a search gave.',
      parameters: {
        type: 'object',
        properties: {
          message: { type: 'integer', description: 'Number of the message' },
          part: { type: 'integer', description: 'Number of the passage, default 1' },
        },
        required: ['message'],
      },
      execute({ message, part }) {
        const hit = archive.passage(Number(message), (Number(part) || 1) - 1);
        if (hit === undefined) return `There is no such passage; messages are 0 to ${archive.length - 1}.`;
        return fill([hit], tokenizer, resultTokens);
      },
    }),
  ];
}

/** As many passages as fit; the last one cut, and said to be, rather than left out. */
function fill(hits: readonly ArchiveHit[], tokenizer: Tokenizer, resultTokens: number): string {
  const cut = ' … (cut)';
  let text = '';
  let left = resultTokens - tokenizer.count(cut);
  for (const { index, part, parts, role, text: passage } of hits) {
    const place = parts === 1 ? '' : `, part ${part + 1} of ${parts}`;
    const block = `${text === '' ? '' : '\n\n'}[message ${index}, ${role}${place}]\n${passage}`;
    const tokens = tokenizer.count(block);
    if (tokens > left) return `${text}${tokenizer.truncate(block, left).text}${cut}`;
    text += block;
    left -= tokens;
  }
  return text;
}
