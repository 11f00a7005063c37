// What the clients ask, and the answers as the model gives them alone: greedy, in this process.
import { nativeRunner } from '@mimokit/kernels';
import { modelDirectory } from '@mimokit/nano';
import { openModel } from '@mimokit/runtime';

export interface Question {
  path: string;
  body: Record<string, unknown>;
  /** Offline. */
  answer: string;
  tokens: number;
}

/** Half of them chats that end by themselves, half raw prompts that go on for `length` tokens. */
export async function askOffline(count: number, length: number): Promise<Question[]> {
  await using model = await openModel(modelDirectory(), { runner: nativeRunner, runnerOptions: { threads: 1 } });
  const questions: Question[] = [];
  for (let i = 0; i < count; i++) {
    const content = `What is ${i + 3} * ${(i % 9) + 2}?`;
    const base = { model: 'nano', stream: true };
    if (i % 2 === 0) {
      const messages = [{ role: 'user' as const, content }];
      const { content: answer } = await model.chat({ messages, maxTokens: length }).message();
      const tokens = model.tokenize(answer).length;
      questions.push({ path: '/v1/chat/completions', body: { ...base, messages, max_tokens: length }, answer, tokens });
      continue;
    }
    const ids: number[] = [];
    for await (const event of model.generate({ ids: model.tokenize(content), maxTokens: length, ignoreEos: true })) {
      if (event.type === 'tokens') ids.push(...event.ids);
    }
    const body = { ...base, prompt: content, max_tokens: length, ignore_eos: true };
    questions.push({ path: '/v1/completions', body, answer: model.detokenize(ids), tokens: length });
  }
  return questions;
}
