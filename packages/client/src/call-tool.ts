// One tool call from the model's text to the text that goes back: look up, read, repair, check, approve, run. Whatever goes
// wrong with the call is told to the model; only an abort ends it without a result.
import { MimoError, type Message, type ToolCall } from '@mimokit/protocol';
import { parseArguments } from './arguments.ts';
import type { Gate } from './gate.ts';
import type { PreparedCall, RunnableTool } from './tool.ts';
import { createWatch } from './watch.ts';

export interface Approval {
  approved: boolean;
  /** Told to the model when it is not approved. */
  reason?: string;
}

export interface ArgumentProblem {
  call: ToolCall;
  tool: RunnableTool;
  /** What is wrong, as the model would be told. */
  problem: string;
  messages: readonly Message[];
}

export interface CallHooks {
  /** Asked before a call runs, one call at a time, in the order of the calls. */
  approve?:
    | ((call: ToolCall, messages: readonly Message[]) => boolean | Approval | Promise<boolean | Approval>)
    | undefined;
  /** Gets a call whose arguments do not fit; returns other arguments as JSON text, or undefined to tell the model. */
  repair?: ((problem: ArgumentProblem) => string | undefined | Promise<string | undefined>) | undefined;
}

export type Outcome = 'ok' | 'failed' | 'timeout' | 'invalid' | 'unknown' | 'denied';

export interface CallResult {
  /** As it ran: with repaired arguments, if they were. */
  call: ToolCall;
  outcome: Outcome;
  /** The text for the model. */
  content: string;
  error?: MimoError;
}

export interface CallSetting extends CallHooks {
  tools: ReadonlyMap<string, RunnableTool>;
  messages: readonly Message[];
  /** Aborts the call. */
  signal: AbortSignal;
  toolTimeoutMs: number;
  /** Room for this tool, then room in the loop. */
  gates: readonly Gate[];
  /** Where approvals queue up. */
  approvals: Gate;
}

/** Rejects only when `setting.signal` aborts. */
export async function callTool(call: ToolCall, setting: CallSetting): Promise<CallResult> {
  // Taken before anything else is awaited, so that approvals are asked in call order.
  const turn = setting.approvals.enter();
  try {
    const tool = setting.tools.get(call.name);
    if (!tool) return unknownTool(call, setting.tools);
    const ready = await untilAborted(prepare(call, tool, setting), setting.signal);
    if ('outcome' in ready) return ready;
    if (setting.approve) {
      const leave = await untilAborted(turn, setting.signal);
      const denied = await untilAborted(denial(ready.call, setting.approve, setting.messages), setting.signal);
      leave();
      if (denied) return denied;
    }
    return await runInTime(ready, tool, setting);
  } finally {
    void turn.then((leave) => leave());
  }
}

interface ReadyCall {
  call: ToolCall;
  run: Extract<PreparedCall, { run: unknown }>['run'];
}

async function prepare(call: ToolCall, tool: RunnableTool, setting: CallSetting): Promise<ReadyCall | CallResult> {
  const first = await check(call, tool);
  if ('run' in first) return { call, run: first.run };
  if (!setting.repair) return invalid(call, first.problem);
  try {
    const text = await setting.repair({ call, tool, problem: first.problem, messages: setting.messages });
    if (text === undefined) return invalid(call, first.problem);
    // The bytes of the first try no longer belong to the call.
    const { source: _, ...rest } = call;
    const repaired = { ...rest, arguments: text };
    const second = await check(repaired, tool);
    return 'run' in second ? { call: repaired, run: second.run } : invalid(call, first.problem);
  } catch (cause) {
    return invalid(call, first.problem, cause);
  }
}

async function check(call: ToolCall, tool: RunnableTool): Promise<PreparedCall> {
  const input = parseArguments(call.arguments);
  if (input === undefined) return { problem: 'the arguments are not the JSON of an object' };
  try {
    return await tool.prepare(input);
  } catch (error) {
    return { problem: messageOf(error) };
  }
}

type Approve = NonNullable<CallHooks['approve']>;

async function denial(call: ToolCall, approve: Approve, messages: readonly Message[]): Promise<CallResult | undefined> {
  let answer: boolean | Approval;
  try {
    answer = await approve(call, messages);
  } catch (cause) {
    return failed(call, 'denied', `Error: the call of ${call.name} could not be approved.`, 'tool-failed', cause);
  }
  const { approved, reason }: Approval = typeof answer === 'boolean' ? { approved: answer } : answer;
  if (approved) return undefined;
  return { call, outcome: 'denied', content: `The call of ${call.name} was declined${reason ? `: ${reason}` : '.'}` };
}

async function runInTime(ready: ReadyCall, tool: RunnableTool, setting: CallSetting): Promise<CallResult> {
  const { call } = ready;
  const deadlineMs = tool.timeoutMs ?? setting.toolTimeoutMs;
  const leaves: (() => void)[] = [];
  const watch = createWatch([setting.signal]);
  try {
    // Waiting for room is not the tool's time.
    for (const gate of setting.gates) {
      const entered = gate.enter();
      try {
        leaves.push(await watch.guard(entered));
      } catch (error) {
        void entered.then((leave) => leave());
        throw error;
      }
    }
    watch.arm('tool', deadlineMs);
    const context = { call, signal: watch.signal, messages: setting.messages };
    const value = await watch.guard(Promise.resolve().then(() => ready.run(context)));
    return { call, outcome: 'ok', content: printResult(value) };
  } catch (error) {
    if (setting.signal.aborted) throw setting.signal.reason;
    if (watch.signal.aborted) {
      return failed(
        call,
        'timeout',
        `Error: ${call.name} gave no result within ${deadlineMs} ms.`,
        'tool-failed',
        error,
      );
    }
    return failed(call, 'failed', `Error: ${messageOf(error)}`, 'tool-failed', error);
  } finally {
    watch.close();
    for (const leave of leaves) leave();
  }
}

function printResult(value: unknown): string {
  if (typeof value === 'string') return value;
  return value === undefined ? '' : (JSON.stringify(value) ?? '');
}

function unknownTool(call: ToolCall, tools: ReadonlyMap<string, RunnableTool>): CallResult {
  const known = tools.size === 0 ? 'there are none' : `there are ${[...tools.keys()].join(', ')}`;
  return failed(call, 'unknown', `Error: there is no tool ${call.name}; ${known}.`, 'tool-unknown');
}

function invalid(call: ToolCall, problem: string, cause?: unknown): CallResult {
  return failed(call, 'invalid', `Error: invalid arguments for ${call.name}: ${problem}.`, 'tool-failed', cause);
}

function failed(
  call: ToolCall,
  outcome: Outcome,
  content: string,
  code: 'tool-failed' | 'tool-unknown',
  cause?: unknown,
): CallResult {
  const error = new MimoError(code, content, {
    hint: 'The model was told; nothing to do unless it repeats itself.',
    tool: call.name,
    ...(cause === undefined ? {} : { cause }),
  });
  return { call, outcome, content, error };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

async function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const watch = createWatch([signal]);
  try {
    return await watch.guard(promise);
  } finally {
    watch.close();
  }
}
