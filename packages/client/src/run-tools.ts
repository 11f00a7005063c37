// runTools: model → calls → results → model, over any ChatModel. Decides what runs next and what stands in the
// conversation; a single call is call-tool.ts, the model behind it may be HTTP or local. No HTTP here.
import {
  type AssistantMessage,
  type ChatModel,
  type ChatRequest,
  type FinishReason,
  isMimoError,
  type Message,
  MimoError,
  type StreamEvent,
  type ToolCall,
  type ToolMessage,
  type Usage,
} from '@mimokit/protocol';
import { sendableArguments } from './arguments.ts';
import { type CallHooks, type CallResult, callTool } from './call-tool.ts';
import { createEventStream } from './event-stream.ts';
import { createGate, type Gate } from './gate.ts';
import { createQueue } from './queue.ts';
import type { RunnableTool } from './tool.ts';

export type { Approval, ArgumentProblem, CallHooks, CallResult, Outcome } from './call-tool.ts';
export { isStandardSchema, toJsonSchema } from './to-json-schema.ts';
export {
  type JsonToolOptions,
  type PreparedCall,
  type RunnableTool,
  type StandardToolOptions,
  tool,
  type ToolContext,
} from './tool.ts';

export interface ToolLoopRequest extends Omit<ChatRequest, 'tools'>, CallHooks {
  /**
   * The conversation so far. When its last assistant message has calls without results, those run first: the messages of
   * an earlier loop, stored as JSON, go on where it stopped.
   */
  messages: readonly Message[];
  tools: readonly RunnableTool[];
  /** Most answers of the model. Default 20. A forced `toolChoice` counts for the first one only. */
  maxSteps?: number;
  /** Most calls at one time, default 8; 1 = one after another. */
  concurrency?: number;
  /** Default 60,000; a tool's own timeoutMs wins. */
  toolTimeoutMs?: number;
}

export type ToolLoopEvent =
  | StreamEvent
  | { type: 'step-start'; step: number }
  /** The model's answer is whole; calls in it run next. */
  | { type: 'step-finish'; step: number; reason: FinishReason; usage: Usage; message: AssistantMessage }
  /** In the order in which they end; in the conversation they stand in the order of the calls. */
  | ({ type: 'tool-result' } & CallResult);

export interface ToolLoopResult {
  /** The last answer; after an abort, what there was of it. */
  message: AssistantMessage;
  /** The request's messages and everything after, ready to be stored and sent again. */
  messages: readonly Message[];
  steps: number;
  reason: FinishReason;
  /** Of all steps together. */
  usage: Usage;
}

/** The events of all steps, with one `finish` at the very end (a step's own is its `step-finish`). */
export interface ToolLoop extends AsyncIterable<ToolLoopEvent> {
  /** The conversation so far, also after an error: plain JSON, a later runTools goes on from it. */
  readonly messages: readonly Message[];
  /** The last answer; rejects with `aborted` after an abort. */
  message(): Promise<AssistantMessage>;
  result(): Promise<ToolLoopResult>;
}

/**
 * Runs the model and its tools until an answer has no calls. Every assistant message goes back exactly as the model gave
 * it, reasoning included. A failed, unknown, invalid or declined call is told to the model. Throws what the model throws,
 * and `tool-loop-limit` when the answer after `maxSteps` still has calls. An abort ends with `finish` of reason `aborted`:
 * whole answers and results are in `messages`, a partial answer is not.
 */
export function runTools(model: ChatModel, request: ToolLoopRequest): ToolLoop {
  const loop = prepareLoop(model, request);
  const events = createEventStream<ToolLoopEvent, ToolLoopResult>((left, settle) => runLoop(loop, left, settle));
  return {
    get messages() {
      return [...loop.messages];
    },
    [Symbol.asyncIterator]: () => events[Symbol.asyncIterator](),
    result: () => events.result(),
    async message() {
      const { message, reason } = await events.result();
      if (reason !== 'aborted') return message;
      throw new MimoError('aborted', 'The tool loop was aborted.', {
        hint: 'result() holds what there was.',
        partial: message,
      });
    },
  };
}

interface Loop {
  model: ChatModel;
  request: ToolLoopRequest;
  messages: Message[];
  tools: ReadonlyMap<string, RunnableTool>;
  maxSteps: number;
  /** Room for each tool, and for all together. */
  gates: ReadonlyMap<string, readonly Gate[]>;
}

function prepareLoop(model: ChatModel, request: ToolLoopRequest): Loop {
  const { maxSteps = 20, concurrency = 8 } = request;
  if (!(maxSteps >= 1) || !(concurrency >= 1)) {
    const field = maxSteps >= 1 ? 'concurrency' : 'maxSteps';
    throw new MimoError('invalid-argument', `${field} must be at least 1.`, {
      hint: `Leave ${field} out for its default.`,
      field,
    });
  }
  const tools = new Map<string, RunnableTool>();
  const gates = new Map<string, readonly Gate[]>();
  const room = createGate(concurrency);
  for (const one of request.tools) {
    const { name } = one.definition;
    if (tools.has(name))
      throw new MimoError('invalid-tool', `Two tools are named ${name}.`, { hint: 'Rename one.', tool: name });
    tools.set(name, one);
    gates.set(name, one.concurrency === Infinity ? [room] : [createGate(one.concurrency), room]);
  }
  return { model, request, messages: [...request.messages], tools, maxSteps, gates };
}

async function* runLoop(
  loop: Loop,
  left: AbortSignal,
  settle: (result: ToolLoopResult) => void,
): AsyncGenerator<ToolLoopEvent, void> {
  const { messages, request } = loop;
  const signals = [request.signal, left].filter((signal) => signal !== undefined);
  const signal = AbortSignal.any(signals);
  let usage: Usage = { promptTokens: 0, cachedTokens: 0, completionTokens: 0, reasoningTokens: 0 };
  let message: AssistantMessage = { role: 'assistant', content: '' };
  let reason: FinishReason = 'aborted';
  let steps = 0;
  let calls = unansweredCalls(messages);
  while (!signal.aborted) {
    if (calls.length > 0) {
      yield* runCalls(loop, calls, signal);
      if (signal.aborted) break;
    }
    const step = ++steps;
    yield { type: 'step-start', step };
    const answer = yield* runStep(loop, step, signal);
    usage = addUsage(usage, answer.usage);
    ({ message, reason } = answer);
    if (reason === 'aborted') break;
    messages.push(message);
    yield { type: 'step-finish', step, ...answer };
    calls = message.toolCalls ?? [];
    // A cut or refused answer is no order to run anything; its calls wait in the messages.
    if (calls.length === 0 || reason === 'length' || reason === 'content-filter' || reason === 'error') break;
    if (step >= loop.maxSteps) throw limitError(loop);
    reason = 'aborted';
  }
  settle({ message, messages: [...messages], steps, reason, usage });
  yield { type: 'finish', reason, usage, message };
}

interface Answer {
  reason: FinishReason;
  usage: Usage;
  message: AssistantMessage;
}

/** One answer of the model; its events pass through, its finish becomes the result. */
async function* runStep(loop: Loop, step: number, signal: AbortSignal): AsyncGenerator<StreamEvent, Answer> {
  const {
    tools,
    maxSteps: _,
    concurrency: __,
    toolTimeoutMs: ___,
    approve: ____,
    repair: _____,
    toolChoice,
    ...chat
  } = loop.request;
  const request: ChatRequest = {
    ...chat,
    messages: [...loop.messages],
    tools: tools.map((one) => one.definition),
    signal,
  };
  const forced = toolChoice === 'required' || typeof toolChoice === 'object';
  if (toolChoice !== undefined) request.toolChoice = forced && step > 1 ? 'auto' : toolChoice;
  let answer: Answer | undefined;
  let reasoning = '';
  let content = '';
  try {
    // Read to its end, so that a connection can be used again.
    for await (const event of loop.model.chat(request)) {
      if (event.type === 'finish') {
        answer = { reason: event.reason, usage: event.usage, message: event.message };
        continue;
      }
      if (event.type === 'reasoning-delta') reasoning += event.text;
      if (event.type === 'text-delta') content += event.text;
      yield event;
    }
  } catch (error) {
    if (answer) return answer;
    if (!signal.aborted || !(isMimoError(error, 'aborted') || error === signal.reason)) throw error;
    const message: AssistantMessage = { role: 'assistant', ...(reasoning === '' ? {} : { reasoning }), content };
    return {
      reason: 'aborted',
      message,
      usage: { promptTokens: 0, cachedTokens: 0, completionTokens: 0, reasoningTokens: 0 },
    };
  }
  if (answer) return answer;
  throw new MimoError('stream-malformed', `The stream of ${loop.model.modelId} ended without a finish event.`, {
    hint: 'Every ChatModel ends with one; run the conformance cases of @mimokit/protocol/testing on it.',
  });
}

/** Runs calls at once as far as there is room, and adds their results to the messages in the order of the calls. */
async function* runCalls(
  loop: Loop,
  calls: readonly ToolCall[],
  signal: AbortSignal,
): AsyncGenerator<ToolLoopEvent, void> {
  const { request, messages } = loop;
  const queue = createQueue<ToolLoopEvent>();
  const results: (CallResult | undefined)[] = calls.map(() => undefined);
  const approvals = createGate(1);
  const context = [...messages];
  const running = calls.map(async (call, index) => {
    const result = await callTool(call, {
      tools: loop.tools,
      messages: context,
      signal,
      toolTimeoutMs: request.toolTimeoutMs ?? 60_000,
      gates: loop.gates.get(call.name) ?? [],
      approvals,
      approve: request.approve,
      repair: request.repair,
    });
    results[index] = result;
    queue.push({ type: 'tool-result', ...result });
  });
  // A call that was aborted has no result; it stays unanswered in the messages and runs when the loop goes on.
  const all = Promise.allSettled(running).then(() => queue.close());
  try {
    yield* queue;
    await all;
  } finally {
    rewriteCalls(messages, calls, results);
    for (const [index, result] of results.entries()) {
      if (result) messages.push(toolMessage(calls[index]!, result));
    }
  }
}

function toolMessage(call: ToolCall, result: CallResult): ToolMessage {
  return { role: 'tool', content: result.content, toolCallId: call.id };
}

/** Repaired arguments stand in the history, and unreadable ones as an object that any template can render. */
function rewriteCalls(
  messages: Message[],
  calls: readonly ToolCall[],
  results: readonly (CallResult | undefined)[],
): void {
  const at = messages.findLastIndex((message) => message.role === 'assistant');
  const asked = messages[at];
  if (asked?.role !== 'assistant' || !asked.toolCalls) return;
  let changed = false;
  const toolCalls = asked.toolCalls.map((call) => {
    const repaired = results[calls.indexOf(call)]?.call ?? call;
    const text = sendableArguments(repaired.arguments);
    if (repaired === call && text === call.arguments) return call;
    changed = true;
    return { ...repaired, arguments: text };
  });
  if (changed) messages[at] = { ...asked, toolCalls };
}

/** The calls of the last assistant message that no later tool message answers. */
function unansweredCalls(messages: readonly Message[]): readonly ToolCall[] {
  const at = messages.findLastIndex((message) => message.role !== 'tool');
  const asked = messages[at];
  if (asked?.role !== 'assistant' || !asked.toolCalls) return [];
  const answers = messages.slice(at + 1).flatMap((message) => (message.role === 'tool' ? [message] : []));
  // Results without an id answer in order.
  if (answers.some((answer) => answer.toolCallId === undefined)) return asked.toolCalls.slice(answers.length);
  const answered = answers.map((answer) => answer.toolCallId);
  return asked.toolCalls.filter((call) => {
    const known = answered.indexOf(call.id);
    if (known >= 0) answered.splice(known, 1);
    return known < 0;
  });
}

function limitError(loop: Loop): MimoError {
  return new MimoError('tool-loop-limit', `After ${loop.maxSteps} steps the model still calls tools.`, {
    hint: 'Raise maxSteps, or go on with runTools from the messages of this loop.',
    maxSteps: loop.maxSteps,
    messages: [...loop.messages],
  });
}

function addUsage(left: Usage, right: Usage): Usage {
  const lengths = [...(left.acceptLengths ?? []), ...(right.acceptLengths ?? [])];
  return {
    promptTokens: left.promptTokens + right.promptTokens,
    cachedTokens: left.cachedTokens + right.cachedTokens,
    completionTokens: left.completionTokens + right.completionTokens,
    reasoningTokens: left.reasoningTokens + right.reasoningTokens,
    ...(lengths.length === 0 ? {} : { acceptLengths: lengths }),
  };
}
