// The laws of a ChatModel, local or over HTTP, as checks of any. Each throws an Error that names what differs; a test
// framework runs them one by one: `test.each(chatModelLaws(open, requests))('$name', ({ check }) => check())`.
import type { ChatModel, ChatRequest } from '../chat-model.ts';
import { type ErrorCode, isMimoError } from '../errors.ts';
import type { StreamEvent } from '../event.ts';
import { isJsonObject, readJson } from '../json.ts';
import type { AssistantMessage, Message } from '../message.ts';

export interface ChatModelLaw {
  name: string;
  check(): Promise<void>;
}

/** Opens the model under test. Called once a law; `Symbol.asyncDispose` closes it, where there is one. */
export type OpenChatModel = () => Promise<ChatModel & Partial<AsyncDisposable>>;

export interface ConformanceRequests {
  /** Is answered with at least a few tokens. */
  text: ChatRequest;
  /** Is answered with at least one tool call; left out for models without tools. */
  tool?: ChatRequest;
  /** The same request gives the same answer (greedy or seeded): answers are compared with each other. */
  repeatable?: boolean;
}

type Finish = Extract<StreamEvent, { type: 'finish' }>;

export function chatModelLaws(open: OpenChatModel, requests: ConformanceRequests): ChatModelLaw[] {
  const law = (name: string, check: (model: ChatModel) => Promise<void>): ChatModelLaw => ({
    name,
    check: async () => {
      const model = await open();
      try {
        await check(model);
      } finally {
        await model[Symbol.asyncDispose]?.();
      }
    },
  });
  const { text, tool } = requests;
  const all = tool ? [text, tool] : [text];
  const laws = [
    law('a stream ends with one finish event', async (model) => {
      for (const request of all) finishOf(await read(model, request));
    }),
    law('the deltas add up to the message, byte for byte', async (model) => {
      for (const request of all) addsUp(await read(model, request));
    }),
    law('message() gives the message of a running stream, and runs an unread one', async (model) => {
      const running = model.chat(text);
      const reading = readAll(running);
      const joined = await running.message();
      const events = await reading;
      same('joined message', joined, finishOf(events).message);
      const alone = await model.chat(text).message();
      same('role', alone.role, 'assistant');
      if (requests.repeatable) same('unread message', alone, joined);
    }),
    law('usage counts what was used', async (model) => {
      const { promptTokens, cachedTokens, completionTokens, reasoningTokens } = finishOf(await read(model, text)).usage;
      const counts = { promptTokens, cachedTokens, completionTokens, reasoningTokens };
      for (const [name, count] of Object.entries(counts))
        holds(`${name} is a count`, Number.isInteger(count) && count >= 0);
      holds('cachedTokens is part of promptTokens', cachedTokens <= promptTokens);
      holds('reasoningTokens is part of completionTokens', reasoningTokens <= completionTokens);
    }),
    law('a request is not changed', async (model) => {
      for (const request of all) {
        const { signal: _, ...plain } = request;
        finishOf(await read(model, freeze(structuredClone(plain))));
      }
    }),
    law('leaving the loop cancels; the model answers again', async (model) => {
      for (const request of all) {
        const left = model.chat(request);
        for await (const _ of left) break;
        finishOf(await read(model, request));
      }
    }),
    law('a signal that is aborted already ends the stream at once', async (model) => {
      const stopped = { ...text, signal: AbortSignal.abort() };
      same('reason', finishOf(await read(model, stopped)).reason, 'aborted');
      await rejects('message()', model.chat(stopped).message(), 'aborted');
    }),
    law('an abort ends the stream with what there was', async (model) => {
      const stop = new AbortController();
      const events: StreamEvent[] = [];
      for await (const event of model.chat({ ...text, signal: stop.signal })) {
        events.push(event);
        stop.abort();
      }
      addsUp(events);
      finishOf(await read(model, text));
    }),
    law('streams at one time are not mixed up', async (model) => {
      const many = await Promise.all([...all, ...all].map((request) => read(model, request)));
      for (const events of many) addsUp(events);
      if (!requests.repeatable) return;
      for (const [index, request] of all.entries()) {
        const alone = finishOf(await read(model, request)).message;
        for (const events of [many[index]!, many[index + all.length]!]) {
          same('message beside others', withoutIds(finishOf(events).message), withoutIds(alone));
        }
      }
    }),
  ];
  if (!tool) return laws;
  return [
    ...laws,
    law('a tool call starts, grows, ends and stands in the message', async (model) => {
      const events = await read(model, tool);
      const finish = finishOf(events);
      same('reason', finish.reason, 'tool-calls');
      const calls = events.flatMap((event) => (event.type === 'tool-call' ? [event.call] : []));
      holds('there is a call', calls.length > 0);
      same('toolCalls of the message', finish.message.toolCalls, calls);
      same('ids are different', new Set(calls.map(({ id }) => id)).size, calls.length);
      for (const call of calls) {
        holds(`the arguments of ${call.id} are the JSON of an object`, isJsonObject(readJson(call.arguments)));
        const own = events.filter((event) => 'id' in event && event.id === call.id);
        same(`first event of ${call.id}`, own[0], { type: 'tool-input-start', id: call.id, name: call.name });
        same(`last event of ${call.id}`, own.at(-1), { type: 'tool-input-end', id: call.id });
        const grown = own.map((event) => (event.type === 'tool-input-delta' ? event.text : '')).join('');
        same(`input of ${call.id}`, readJson(grown), readJson(call.arguments));
      }
    }),
    law('a call goes back with its result, and the model answers', async (model) => {
      const { message } = finishOf(await read(model, tool));
      const answers = (message.toolCalls ?? []).map(({ id }): Message => ({
        role: 'tool',
        content: '{"ok":true}',
        toolCallId: id,
      }));
      addsUp(await read(model, { ...tool, messages: [...tool.messages, message, ...answers] }));
    }),
  ];
}

async function read(model: ChatModel, request: ChatRequest): Promise<StreamEvent[]> {
  return readAll(model.chat(request));
}

async function readAll(stream: AsyncIterable<StreamEvent>): Promise<StreamEvent[]> {
  const events: StreamEvent[] = [];
  for await (const event of stream) events.push(event);
  return events;
}

function finishOf(events: readonly StreamEvent[]): Finish {
  const last = events.at(-1);
  const count = events.filter(({ type }) => type === 'finish').length;
  if (last?.type !== 'finish' || count !== 1)
    throw new Error(`${count} finish events, the last event is ${last?.type ?? 'none'}`);
  return last;
}

function addsUp(events: readonly StreamEvent[]): void {
  const { message } = finishOf(events);
  let reasoning = '';
  let content = '';
  for (const event of events) {
    if (event.type === 'reasoning-delta') reasoning += event.text;
    if (event.type === 'text-delta' || event.type === 'tool-input-cancelled') content += event.text;
  }
  same('reasoning', message.reasoning ?? '', reasoning);
  same('content', message.content, content);
}

/** Ids of calls may be drawn anew for every answer. */
function withoutIds(message: AssistantMessage): unknown {
  return { ...message, toolCalls: message.toolCalls?.map(({ name, arguments: text }) => ({ name, arguments: text })) };
}

function freeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value;
  for (const member of Object.values(value)) freeze(member);
  return Object.freeze(value);
}

function holds(what: string, condition: boolean): void {
  if (!condition) throw new Error(`does not hold: ${what}`);
}

function same(what: string, found: unknown, expected: unknown): void {
  const [left, right] = [JSON.stringify(found), JSON.stringify(expected)];
  if (left !== right) throw new Error(`${what}: ${left} instead of ${right}`);
}

async function rejects(what: string, promise: Promise<unknown>, code: ErrorCode): Promise<void> {
  const outcome = await promise.then(
    () => 'no error',
    (error: unknown) => (isMimoError(error) ? error.code : String(error)),
  );
  same(`${what} rejects`, outcome, code);
}
