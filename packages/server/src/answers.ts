// One request → the events of its n answers, merged as they come. Joins the reasons to stop, and cuts maxTokens to what the
// model holds. Knows no wire.
import { type ChatModel, type ChatRequest, isMimoError, type StreamEvent } from '@mimokit/protocol';

export interface AnswerEvent {
  /** Which of the n answers. */
  choice: number;
  event: StreamEvent;
}

/**
 * `live`: a call is announced when it begins and its arguments follow as they grow; one that breaks off in the middle stays
 * announced, since no wire can take it back. `whole`: a call is told of when it is complete.
 */
export type ToolDeltas = 'live' | 'whole';

export interface AnswersRequest {
  model: ChatModel;
  chat: ChatRequest;
  choices: number;
  toolDeltas: ToolDeltas;
  /** Ends every answer within one step. */
  signal: AbortSignal;
}

/** Events of all answers; those of one answer in order. Leaving the loop ends every answer. */
export function answers({
  model,
  chat,
  choices,
  toolDeltas,
  signal,
}: AnswersRequest): AsyncGenerator<AnswerEvent, void> {
  const runs = Array.from({ length: choices }, (_, choice) => {
    // Another seed each, and the same answers for the same seed.
    const seed = chat.seed === undefined || choice === 0 ? chat.seed : chat.seed + choice;
    const run = fitted(model, { ...chat, signal, ...(seed === undefined ? {} : { seed }) });
    return toolDeltas === 'live' ? run : whole(run);
  });
  return runs.length === 1 ? one(runs[0]) : merge(runs);
}

async function* whole(run: AsyncIterable<StreamEvent>): AsyncGenerator<StreamEvent, void> {
  for await (const event of run) {
    if (event.type === 'tool-input-cancelled') {
      if (event.text !== '') yield { type: 'text-delta', text: event.text };
    } else if (!event.type.startsWith('tool-input')) yield event;
  }
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
