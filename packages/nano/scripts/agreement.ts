// FP8 against BF16: a checkpoint exported in BF16 writes greedily, the FP8 one is asked for the next id after every prefix of
// that text. `--bf16 DIR` (made by `python -m train --only export --to DIR --bf16`), `--model DIR`, `--set`, `--count N` dialogues.
import { parseArgs } from 'node:util';
import { nativeRunner } from '@mimokit/kernels';
import { type LocalModel, openModel } from '@mimokit/runtime';
import { modelDirectory } from '../src/index.ts';
import { fromWire, readDialogues } from './dialogues.ts';
import { share } from './interval.ts';

const { values } = parseArgs({
  options: {
    bf16: { type: 'string' },
    model: { type: 'string', default: modelDirectory() },
    set: { type: 'string', default: 'held' },
    count: { type: 'string', default: '300' },
  },
});
if (values.bf16 === undefined) throw new Error('--bf16 DIR is missing: the checkpoint in BF16');
await using reference = await openModel(values.bf16, { runner: nativeRunner });
await using stored = await openModel(values.model, { runner: nativeRunner });

async function ids(model: LocalModel, prompt: ArrayLike<number>, maxTokens: number): Promise<number[]> {
  const found: number[] = [];
  for await (const event of model.generate({ ids: prompt, maxTokens, sampling: { temperature: 0 } })) {
    if (event.type === 'tokens') found.push(...event.ids);
  }
  return found;
}

let same = 0;
let total = 0;
let texts = 0;
const dialogues = readDialogues(values.set === 'micro' ? 'micro' : 'held').slice(0, Number(values.count));
for (const { messages, tools, thinking } of dialogues) {
  const request = { messages: messages.map(fromWire), tools: tools.map((tool) => tool.function), thinking };
  const prompt = [...reference.render(request).ids];
  const written = await ids(reference, prompt, 160);
  // The prefix cache makes each of these one token of work.
  const next = await Promise.all(written.map((_, at) => ids(stored, [...prompt, ...written.slice(0, at)], 1)));
  const hits = next.filter(([id], at) => id === written[at]).length;
  same += hits;
  total += written.length;
  if (hits === written.length) texts++;
}
const { share: part, interval } = share(same, total);
console.log(`fp8_agreement ${part.toFixed(5)} [${interval[0].toFixed(5)}, ${interval[1].toFixed(5)}] of ${total} ids`);
console.log(`whole texts the same: ${texts} of ${dialogues.length}`);
