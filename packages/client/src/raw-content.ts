// Any ChatModel whose answers come unparsed, think and tool tags in the text → one whose answers are parsed.
import { type ChatTemplate, createChatTemplate } from '@mimokit/chat-template';
import type { ChatModel, ChatRequest, StreamEvent } from '@mimokit/protocol';
import { createAnswerStream, type FinishEvent } from './answer-stream.ts';

export interface RawContentOptions {
  /** Default: MiMo-V2-Flash's. */
  template?: ChatTemplate;
}

/**
 * For servers that print the prompt with the model's template but know no MiMo parser: their text goes through the
 * template's parser. Reasoning and calls that the server did find pass as they are.
 */
export function parseRawContent(model: ChatModel, options: RawContentOptions = {}): ChatModel {
  const template = options.template ?? createChatTemplate();
  return {
    modelId: model.modelId,
    chat: (request) => createAnswerStream((left, settle) => run(model, template, request, left, settle)),
  };
}

async function* run(
  model: ChatModel,
  template: ChatTemplate,
  request: ChatRequest,
  left: AbortSignal,
  settle: (finish: FinishEvent) => void,
): AsyncGenerator<StreamEvent, void> {
  const tools = request.toolChoice === 'none' ? [] : (request.tools ?? []);
  const parser = template.parser({ output: 'auto', tools });
  const signal = request.signal ? AbortSignal.any([request.signal, left]) : left;
  for await (const event of model.chat({ ...request, signal })) {
    if (event.type === 'text-delta') yield* parser.push(event.text);
    else if (event.type !== 'finish') yield event;
    else {
      const { message: parsed, events } = parser.end();
      yield* events;
      const { reasoning: found, toolCalls: known = [] } = event.message;
      const reasoning =
        found === undefined && parsed.reasoning === undefined ? undefined : (found ?? '') + (parsed.reasoning ?? '');
      const toolCalls = [...known, ...(parsed.toolCalls ?? [])];
      const finish: FinishEvent = {
        ...event,
        reason: event.reason === 'stop' && toolCalls.length > 0 ? 'tool-calls' : event.reason,
        message: {
          role: 'assistant',
          ...(reasoning === undefined ? {} : { reasoning }),
          content: parsed.content,
          ...(toolCalls.length === 0 ? {} : { toolCalls }),
        },
      };
      settle(finish);
      yield finish;
    }
  }
}
