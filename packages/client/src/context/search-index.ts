// Which passages fit a query: BM25 (Robertson and Zaragoza 2009) over an inverted index that grows passage by passage.
import { wordsOf } from './passages.ts';

export interface SearchIndex {
  /** Adds a passage; `id` names it in results. */
  add(id: number, text: string): void;
  /** The best passages, best first; ties in the order in which they were added. */
  search(query: string, limit: number): { id: number; score: number }[];
}

/** Saturation of repeated words, and how much long passages are held back: the customary values. */
const k1 = 1.2;
const b = 0.75;
/** Words of a query beyond these are not looked at. */
const mostQueryWords = 64;

export function createSearchIndex(): SearchIndex {
  const postings = new Map<string, Map<number, number>>();
  const lengths = new Map<number, number>();
  let totalLength = 0;
  return {
    add(id, text) {
      let length = 0;
      for (const word of wordsOf(text)) {
        length++;
        let counts = postings.get(word);
        if (counts === undefined) postings.set(word, (counts = new Map()));
        counts.set(id, (counts.get(id) ?? 0) + 1);
      }
      lengths.set(id, length);
      totalLength += length;
    },
    search(query, limit) {
      const scores = new Map<number, number>();
      const words = new Set<string>();
      for (const word of wordsOf(query)) {
        words.add(word);
        if (words.size === mostQueryWords) break;
      }
      const mean = totalLength / Math.max(1, lengths.size);
      for (const word of words) {
        const counts = postings.get(word);
        if (counts === undefined) continue;
        const rarity = Math.log(1 + (lengths.size - counts.size + 0.5) / (counts.size + 0.5));
        for (const [id, count] of counts) {
          const norm = k1 * (1 - b + (b * lengths.get(id)!) / mean);
          scores.set(id, (scores.get(id) ?? 0) + (rarity * count * (k1 + 1)) / (count + norm));
        }
      }
      const found = Array.from(scores, ([id, score]) => ({ id, score }));
      return found.sort((x, y) => y.score - x.score || x.id - y.id).slice(0, limit);
    },
  };
}
