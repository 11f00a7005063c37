// Needle curve: facts at the beginning of a chat, held-out turns in between, a question about one fact in the end. Prints the
// share of exact answers by length of the prompt. `--model DIR`, `--count N` prompts per length.
import { parseArgs } from 'node:util';
import { nativeRunner } from '@mimokit/kernels';
import type { Message } from '@mimokit/protocol';
import { openModel } from '@mimokit/runtime';
import { modelDirectory } from '../src/index.ts';
import { fromWire, readDialogues } from './dialogues.ts';
import { share } from './interval.ts';

const lengths = [256, 512, 1024, 1536, 2048, 3072, 4000];
const { values } = parseArgs({
  options: { model: { type: 'string', default: modelDirectory() }, count: { type: 'string', default: '40' } },
});

/** The same letters on every run (mulberry32). */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

function word(next: () => number): string {
  const pick = (letters: string): string => letters[Math.floor(next() * letters.length)]!;
  return Array.from({ length: 3 }, () => pick('bdfgklmnprstvz') + pick('aeiou')).join('');
}

const fillers = readDialogues('held')
  .filter(({ kind }) => kind === 'story' || kind === 'reading' || kind === 'tale' || kind === 'talk')
  .map(({ messages, expected }): Message[] => [
    ...messages.filter(({ role }) => role !== 'system').map(fromWire),
    { role: 'assistant', content: expected.answer },
  ]);

await using model = await openModel(values.model, { runner: nativeRunner });
const tokens = (messages: Message[]): number => model.render({ messages, thinking: false }).ids.length;

console.log('tokens     exact answers');
for (const length of lengths) {
  let hits = 0;
  const total = Number(values.count);
  for (let index = 0; index < total; index++) {
    const next = random(length * 1000 + index);
    const facts = Array.from({ length: 3 }, () => [word(next), word(next)] as const);
    const [key, value] = facts[index % 3]!;
    const end: Message = { role: 'user', content: `What is ${key}?` };
    const messages: Message[] = [
      { role: 'user', content: `Remember this.\n${facts.map(([left, right]) => `${left}: ${right}`).join('\n')}` },
      { role: 'assistant', content: 'Noted.' },
    ];
    for (;;) {
      const filler = fillers[Math.floor(next() * fillers.length)]!;
      const longer = [...messages, ...filler];
      if (tokens([...longer, end]) > length) break;
      messages.push(...filler);
    }
    const answer = await model
      .chat({ messages: [...messages, end], thinking: false, maxTokens: 24, sampling: { temperature: 0 } })
      .message();
    if (answer.content === value) hits++;
  }
  const { share: exact, interval } = share(hits, total);
  const percent = (part: number): string => `${(part * 100).toFixed(0)}%`;
  console.log(
    `≤ ${String(length).padEnd(8)} ${percent(exact)} [${percent(interval[0])}, ${percent(interval[1])}] of ${total}`,
  );
}
