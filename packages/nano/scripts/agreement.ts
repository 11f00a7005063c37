// FP8 against BF16: a checkpoint exported in BF16 writes greedily, the FP8 one is asked for the next id after every prefix of
// that text.
import { nativeRunner } from '@mimokit/kernels';
import { type LocalModel, openModel } from '@mimokit/runtime';
import { type Dialogue, fromWire } from './dialogues.ts';
import { share } from './interval.ts';
import type { Report } from './report.ts';

async function ids(model: LocalModel, prompt: ArrayLike<number>, maxTokens: number): Promise<number[]> {
  const found: number[] = [];
  for await (const event of model.generate({ ids: prompt, maxTokens, sampling: { temperature: 0 } })) {
    if (event.type === 'tokens') found.push(...event.ids);
  }
  return found;
}

export async function agreement(
  fp8: string,
  bf16: string,
  dialogues: readonly Dialogue[],
  report: Report,
): Promise<void> {
  await using reference = await openModel(bf16, { runner: nativeRunner });
  await using stored = await openModel(fp8, { runner: nativeRunner });
  let same = 0;
  let total = 0;
  let texts = 0;
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
  report.add('fp8_agreement', `of ${total} ids`, part, interval, (value) => `${(value * 100).toFixed(2)}%`);
  console.log(`  whole texts the same: ${texts} of ${dialogues.length}`);
}
