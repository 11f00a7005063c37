// The SDK's prompt → messages. Reasoning comes back byte for byte, calls as they were written; what the model cannot be
// shown becomes a warning, never silence.
import type {
  LanguageModelV4FilePart,
  LanguageModelV4Message,
  LanguageModelV4Prompt,
  LanguageModelV4ToolResultOutput,
  SharedV4Warning,
} from '@ai-sdk/provider';
import {
  type AssistantMessage,
  type Content,
  type MediaPart,
  type Message,
  type TextPart,
  type ToolCall,
  writeJson,
} from '@mimokit/protocol';
import { ownOptions, recalledCall } from './metadata.ts';

/** Adds to `warnings`. */
export function readPrompt(prompt: LanguageModelV4Prompt, warnings: SharedV4Warning[]): Message[] {
  return prompt.flatMap((message) => readMessage(message, warnings));
}

function readMessage(message: LanguageModelV4Message, warnings: SharedV4Warning[]): Message[] {
  switch (message.role) {
    case 'system':
      return [{ role: 'system', content: message.content }];
    case 'user':
      return [{ role: 'user', content: readUser(message.content, warnings) }];
    case 'assistant':
      return readAssistant(message.content, warnings);
    case 'tool':
      // Answers to approval requests concern the SDK; a denied call has a result that says so.
      return message.content.flatMap((part) =>
        part.type === 'tool-result' ? [toolMessage(part.toolCallId, part.output, warnings)] : [],
      );
  }
}

type UserParts = Extract<LanguageModelV4Message, { role: 'user' }>['content'];

function readUser(parts: UserParts, warnings: SharedV4Warning[]): Content {
  const read = parts.map((part) =>
    part.type === 'text' ? { type: part.type, text: part.text } : mediaOf(part, warnings),
  );
  const known = read.filter((part) => part !== undefined);
  // Text alone is sent as text: every server takes that.
  if (known.every((part): part is TextPart => part.type === 'text')) return known.map(({ text }) => text).join('');
  return known;
}

function mediaOf(part: LanguageModelV4FilePart, warnings: SharedV4Warning[]): TextPart | MediaPart | undefined {
  const { data, mediaType } = part;
  if (data.type === 'text') return { type: 'text', text: data.text };
  const kind = mediaType.split('/')[0];
  if (data.type === 'reference' || (kind !== 'image' && kind !== 'audio' && kind !== 'video')) {
    const feature =
      data.type === 'reference' ? 'references to files of another provider' : `files of type ${mediaType}`;
    warnings.push({ type: 'unsupported', feature, details: 'The file is not sent.' });
    return undefined;
  }
  const url = data.type === 'url' ? data.url.href : `data:${mediaType};base64,${base64Of(data.data)}`;
  const type = `${kind}_url` as const;
  return { type, [type]: { url } };
}

function base64Of(data: Uint8Array | string): string {
  if (typeof data === 'string') return data;
  let text = '';
  for (let at = 0; at < data.length; at += 8192) text += String.fromCharCode(...data.subarray(at, at + 8192));
  return btoa(text);
}

type AssistantParts = Extract<LanguageModelV4Message, { role: 'assistant' }>['content'];

function readAssistant(parts: AssistantParts, warnings: SharedV4Warning[]): Message[] {
  const message: AssistantMessage = { role: 'assistant', content: '' };
  const toolCalls: ToolCall[] = [];
  const results: Message[] = [];
  for (const part of parts) {
    switch (part.type) {
      case 'text':
        message.content += part.text;
        break;
      case 'reasoning':
        message.reasoning = (message.reasoning ?? '') + part.text;
        break;
      case 'tool-call': {
        const { toolCallId: id, toolName: name, input, providerOptions } = part;
        toolCalls.push({ id, name, ...(recalledCall(input, providerOptions) ?? { arguments: argumentsText(input) }) });
        // The SDK drops a reasoning part without text; a server that insists on the field gets it back all the same.
        if (ownOptions(providerOptions)['reasoning'] === '') message.reasoning ??= '';
        break;
      }
      case 'tool-result':
        results.push(toolMessage(part.toolCallId, part.output, warnings));
        break;
      default:
        warnings.push({
          type: 'unsupported',
          feature: `${part.type} parts of the assistant`,
          details: 'Not sent back.',
        });
    }
  }
  if (toolCalls.length > 0) message.toolCalls = toolCalls;
  return [message, ...results];
}

function argumentsText(input: unknown): string {
  return typeof input === 'string' ? input : writeJson(input ?? {});
}

function toolMessage(id: string, output: LanguageModelV4ToolResultOutput, warnings: SharedV4Warning[]): Message {
  return { role: 'tool', content: outputText(output, warnings), toolCallId: id };
}

function outputText(output: LanguageModelV4ToolResultOutput, warnings: SharedV4Warning[]): string {
  switch (output.type) {
    case 'text':
    case 'error-text':
      return output.value;
    case 'json':
    case 'error-json':
      return writeJson(output.value);
    case 'execution-denied':
      return `The call was declined${output.reason === undefined ? '.' : `: ${output.reason}`}`;
    case 'content':
      return output.value
        .map((part) => {
          if (part.type === 'text') return part.text;
          warnings.push({
            type: 'unsupported',
            feature: `${part.type} parts of tool results`,
            details: 'Named, not shown.',
          });
          return part.type === 'file' ? `[file ${part.mediaType}: not shown]` : '[part not shown]';
        })
        .join('\n');
  }
}
