// The layout of Qwen2.5 and of what was trained on it (MiMo-7B, base models): a newline after every turn, tools and calls as
// JSON, tool results in a user's turn, no think tags of the template's own.
import { jsonEntries, type JsonValue, MimoError, type Tool, type ToolCall, toolEntries } from '@mimokit/protocol';
import type { Profile } from './profiles.ts';
import { argumentsOf, PromptWriter } from './prompt-writer.ts';
import { pythonJson } from './python-format.ts';
import { checkRequest, type RenderedPrompt, type RenderRequest } from './render.ts';

const toolsHead =
  '\n\n# Tools\n\nYou may call one or more functions to assist with the user query.\n\nYou are provided with function signatures within <tools></tools> XML tags:\n<tools>';
const toolsTail =
  '\n</tools>\n\nFor each function call, return a json object with function name and arguments within <tool_call></tool_call> XML tags:\n<tool_call>\n{"name": <function-name>, "arguments": <args-json-object>}\n</tool_call>';

/** Renders under a profile of that layout. Reasoning of past turns is not shown, as these templates have no place for it. */
export function renderChatml(profile: Profile, request: RenderRequest): RenderedPrompt {
  const { messages, tools = [], from = 0 } = request;
  checkRequest(messages, from);
  const writer = new PromptWriter(profile);
  const firstTurn = messages[0]?.role === 'system' ? 1 : 0;
  if (from === 0) {
    writer.text += '<|im_start|>system\n';
    if (firstTurn === 1) writer.content(messages[0]!.content, 0);
    else writer.text += profile.defaultSystem;
    if (tools.length > 0) {
      writer.text += toolsHead;
      for (const tool of tools) writer.write(`\n${toolJson(tool)}`, -1, 'tool');
      writer.text += toolsTail;
    }
    writer.text += '<|im_end|>\n';
    writer.messageEnds.push(writer.text.length);
  }
  for (let index = Math.max(from, firstTurn); index < messages.length; index++) {
    const message = messages[index]!;
    if (typeof message?.role !== 'string') {
      throw new MimoError('invalid-message', `messages[${index}].role must be a string.`, {
        field: `messages[${index}].role`,
      });
    }
    const isTool = message.role === 'tool';
    if (!isTool || index === firstTurn || messages[index - 1]?.role !== 'tool') {
      writer.text += `<|im_start|>${isTool ? 'user' : message.role}`;
    }
    if (isTool) writer.text += '\n<tool_response>';
    const calls = message.role === 'assistant' ? (message.toolCalls ?? []) : [];
    if (calls.length === 0 || message.content !== '') writer.text += '\n';
    writer.content(message.content, index);
    for (const [position, call] of calls.entries()) writeCall(writer, call, index, position);
    if (isTool) writer.text += '\n</tool_response>';
    if (!isTool || messages[index + 1]?.role !== 'tool') writer.text += '<|im_end|>\n';
    writer.messageEnds.push(writer.text.length);
  }
  if (request.addGenerationPrompt ?? true) writer.text += '<|im_start|>assistant\n';
  return { text: writer.text, literal: writer.literal, messageEnds: writer.messageEnds, output: 'auto' };
}

function writeCall(writer: PromptWriter, call: ToolCall, index: number, position: number): void {
  const values = argumentsOf(call, `messages[${index}].toolCalls[${position}]`);
  writer.text += '\n<tool_call>\n';
  writer.write(`{"name": "${call.name}", "arguments": ${pythonJson(values)}}`, index, 'tool-call');
  writer.text += '\n</tool_call>';
}

function toolJson(tool: Tool): string {
  if (typeof tool?.name !== 'string')
    throw new MimoError('invalid-tool', 'A tool must have a name.', { field: 'tools' });
  const members = new Map<string, JsonValue>();
  for (const [key, value] of toolEntries.of(tool)) members.set(key, value);
  return pythonJson(new Map<string, JsonValue>(jsonEntries({ type: 'function', function: members })));
}
