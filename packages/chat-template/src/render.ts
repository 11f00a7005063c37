// Messages → prompt text, byte for byte what the model's Jinja template gives, with the spans the caller wrote. What differs
// between models comes from the profile; how values print is python-format.ts; tools are render-tools.ts.
import { type Content, jsonEntries, type Message, MimoError, type Tool, type ToolCall } from '@mimokit/protocol';
import type { Profile } from './profiles.ts';
import { argumentsOf, type LiteralSpan, PromptWriter } from './prompt-writer.ts';
import { lastUserIndex, splitReasoning } from './reasoning-history.ts';
import { renderTool, renderValue, toolsHead, toolsTail } from './render-tools.ts';

export interface RenderRequest {
  messages: readonly Message[];
  tools?: readonly Tool[] | undefined;
  /** Whether the model may think first; default: the profile's. */
  thinking?: boolean | undefined;
  /** Keep the reasoning of every past turn; default: the profile's. Otherwise only that after the last user message. */
  keepAllReasoning?: boolean | undefined;
  /** End with the opening of the assistant's turn; default true. */
  addGenerationPrompt?: boolean | undefined;
  /**
   * Render only messages from this index on: exactly the part of the full prompt that they and the generation prompt take.
   * Costs only that part.
   */
  from?: number | undefined;
}

export interface RenderedPrompt {
  text: string;
  /** In order, never overlapping, never empty. */
  literal: readonly LiteralSpan[];
  /** Offsets where a turn ends (the system turn, then every message rendered): where keeping a window is worth its bytes. */
  messageEnds: readonly number[];
  /** How the parser must start: `content` after a closed, empty think block, `reasoning` after an open one. */
  output: 'auto' | 'content' | 'reasoning';
}

/** Renders the prompt. Throws `invalid-message` or `invalid-tool` naming index and field. */
export function renderPrompt(profile: Profile, request: RenderRequest): RenderedPrompt {
  const { messages, tools = [], from = 0 } = request;
  checkRequest(messages, from);
  const writer = new MimoWriter(profile);
  const firstTurn = messages[0]?.role === 'system' ? 1 : 0;
  if (from === 0) {
    writer.systemTurn(firstTurn === 1 ? messages[0]!.content : undefined, tools);
    writer.messageEnds.push(writer.text.length);
  }
  const keepFrom = (request.keepAllReasoning ?? profile.keepAllReasoning) ? -1 : lastUserIndex(messages);
  for (let index = Math.max(from, firstTurn); index < messages.length; index++) {
    const message = messages[index]!;
    if (message?.role === 'tool') {
      // A conversation that begins with a tool message gets no turn header: a quirk of the template, kept.
      const opens = index > firstTurn && messages[index - 1]?.role !== 'tool';
      const closes = index + 1 === messages.length || messages[index + 1]?.role !== 'tool';
      writer.toolTurn(index, message.content, opens, closes);
    } else if (message?.role === 'assistant') {
      writer.assistantTurn(index, message.reasoning, message.content, message.toolCalls, index > keepFrom);
    } else {
      writer.turn(index, message);
    }
    writer.messageEnds.push(writer.text.length);
  }
  let output: RenderedPrompt['output'] = 'auto';
  if (request.addGenerationPrompt ?? true) {
    writer.text += '<|im_start|>assistant\n';
    if (!(request.thinking ?? profile.thinking)) {
      writer.text += '<think></think>';
      output = 'content';
    }
  }
  return { text: writer.text, literal: writer.literal, messageEnds: writer.messageEnds, output };
}

export function checkRequest(messages: readonly Message[], from: number): void {
  if (messages.length === 0) {
    throw new MimoError('invalid-message', 'messages is empty.', {
      hint: 'Send at least a user message.',
    });
  }
  if (!Number.isInteger(from) || from < 0 || from > messages.length) {
    throw new MimoError('invalid-argument', `from is ${from}; it must lie in [0, ${messages.length}].`);
  }
}

class MimoWriter extends PromptWriter {
  systemTurn(content: Content | undefined, tools: readonly Tool[]): void {
    this.text += '<|im_start|>system\n';
    if (content === undefined) this.text += this.profile.defaultSystem;
    else this.content(content, 0);
    if (tools.length > 0) {
      this.text += toolsHead;
      for (const [index, tool] of tools.entries()) {
        if (typeof tool?.name !== 'string') {
          throw new MimoError('invalid-tool', `tools[${index}].name must be a string.`, {
            field: `tools[${index}].name`,
          });
        }
        this.write(renderTool(tool), -1, 'tool');
      }
      this.text += toolsTail;
    }
    this.text += '<|im_end|>';
  }

  turn(index: number, message: Message | undefined): void {
    if (typeof message?.role !== 'string') {
      throw new MimoError('invalid-message', `messages[${index}].role must be a string.`, {
        hint: 'Use system, user, assistant or tool.',
        field: `messages[${index}].role`,
      });
    }
    this.text += '<|im_start|>';
    if (message.role === 'user' || message.role === 'system') this.text += message.role;
    else this.write(message.role, index, 'role');
    this.text += '\n';
    this.content(message.content, index);
    this.text += '<|im_end|>';
  }

  toolTurn(index: number, content: Content, opens: boolean, closes: boolean): void {
    this.text += opens ? '<|im_start|>tool\n<tool_response>\n' : '<tool_response>\n';
    this.content(content, index);
    this.text += closes ? '\n</tool_response>\n<|im_end|>' : '\n</tool_response>\n';
  }

  assistantTurn(
    index: number,
    reasoning: string | undefined,
    content: string,
    calls: readonly ToolCall[] | undefined,
    keeps: boolean,
  ): void {
    const split = splitReasoning(reasoning, this.plain(content, index));
    this.text += '<|im_start|>assistant\n<think>';
    if (keeps) this.write(split.reasoning, index, 'reasoning');
    this.text += '</think>';
    this.write(split.content, index, 'content');
    if (calls) for (let i = 0; i < calls.length; i++) this.call(calls[i]!, index, i);
    this.text += '<|im_end|>';
  }

  /** A call as the model wrote it where that is known, else in the template's form. The tags outside are the template's. */
  call(call: ToolCall, message: number, index: number): void {
    const open = '<tool_call>';
    const close = '</tool_call>';
    const at = call.source?.indexOf(open) ?? -1;
    if (call.source !== undefined && at >= 0) {
      const end = call.source.endsWith(close) ? call.source.length - close.length : call.source.length;
      this.text += call.source.slice(0, at + open.length);
      this.write(call.source.slice(at + open.length, end), message, 'tool-call');
      this.text += call.source.slice(end);
      return;
    }
    const field = `messages[${message}].toolCalls[${index}]`;
    if (typeof call.name !== 'string')
      throw new MimoError('invalid-message', `${field}.name must be a string.`, { field });
    const gap = this.profile.callGap;
    let body = `<function=${call.name}>${gap}`;
    for (const [key, value] of jsonEntries(argumentsOf(call, field))) {
      body += `<parameter=${key}>${renderValue(value)}</parameter>${gap}`;
    }
    this.text += `<tool_call>${gap}`;
    this.write(`${body}</function>`, message, 'tool-call');
    this.text += `${gap}</tool_call>`;
  }
}
