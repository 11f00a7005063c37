// One request → the events of its n answers, merged as they come. Joins the reasons to stop, and cuts maxTokens to what the
// model holds. Knows no wire.
import { type ChatModel, type ChatRequest, isMimoError, type StreamEvent } from '@mimokit/protocol';

export interface AnswerEvent {
  /** Which of the n answers. */
  choice: number;
  event: StreamEvent;
}

export interface AnswersRequest {
  model: ChatModel;
  chat: ChatRequest;
  choices: number;
  /** Ends every answer within one step. */
  signal: AbortSignal;
}

/** Events of all answers; those of one answer in order. Leaving the loop ends every answer. */
export function answers({ model, chat, choices, signal }: AnswersRequest): AsyncGenerator<AnswerEvent, void> {
  const runs = Array.from({ length: choices }, (_, choice) => {
    // Another seed each, and the same answers for the same seed.
    const seed = chat.seed === undefined || choice === 0 ? chat.seed : chat.seed + choice;
    return fitted(model, { ...chat, signal, ...(seed === undefined ? {} : { seed }) });
  });
  return runs.length === 1 ? one(runs[0]) : merge(runs);
}

async function* one(run: AsyncIterable<StreamEvent>): AsyncGenerator<AnswerEvent, void> {
  for await (const event of run) yield { choice: 0, event };
}

/**
 * maxTokens is an upper bound: many clients ask for more than any context has. When it alone does not fit, the model gives what
 * fits and says `length`; a prompt that does not fit still fails.
 */
async function* fitted(model: ChatModel, chat: ChatRequest): AsyncGenerator<StreamEvent, void> {
  let isFirst = true;
  try {
    for await (const event of model.chat(chat)) {
      isFirst = false;
      yield event;
    }
    return;
  } catch (error) {
    const isTooLong = isMimoError(error, 'context-overflow') || isMimoError(error, 'kv-too-small');
    if (!isFirst || !isTooLong || chat.maxTokens === undefined) throw error;
  }
  const { maxTokens: _, ...rest } = chat;
  yield* model.chat(rest);
}

async function* merge(runs: readonly AsyncGenerator<StreamEvent, void>[]): AsyncGenerator<AnswerEvent, void> {
  const pending = new Map<number, Promise<{ choice: number; next: IteratorResult<StreamEvent, void> }>>();
  const pull = (choice: number): void => {
    pending.set(
      choice,
      runs[choice].next().then((next) => ({ choice, next })),
    );
  };
  for (let choice = 0; choice < runs.length; choice++) pull(choice);
  try {
    while (pending.size > 0) {
      const { choice, next } = await Promise.race(pending.values());
      pending.delete(choice);
      if (next.done === true) continue;
      pull(choice);
      yield { choice, event: next.value };
    }
  } finally {
    for (const promise of pending.values()) promise.catch(() => {});
    for (const run of runs) void run.return().catch(() => {});
  }
}
