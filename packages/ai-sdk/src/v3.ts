// The version 3 view, for `ai` 6: the same model with the older shapes of files and finish reasons.
import type {
  LanguageModelV3,
  LanguageModelV3CallOptions,
  LanguageModelV3FilePart,
  LanguageModelV3FinishReason,
  LanguageModelV3Message,
  LanguageModelV3StreamPart,
  LanguageModelV4,
  LanguageModelV4CallOptions,
  LanguageModelV4FilePart,
  LanguageModelV4FinishReason,
  LanguageModelV4GenerateResult,
  LanguageModelV4Message,
  LanguageModelV4StreamPart,
  LanguageModelV4ToolResultOutput,
  SharedV3Warning,
  SharedV4Warning,
} from '@ai-sdk/provider';
import type { ChatModel } from '@mimokit/protocol';
import { languageModel } from './language-model.ts';
import type { ModelSettings } from './request-in.ts';

/** languageModel for `ai` 6, which refuses version 4. `thinking` is a setting or `providerOptions.mimokit.thinking`. */
export function languageModelV3(model: ChatModel, settings: ModelSettings = {}): LanguageModelV3 {
  return viewAsV3(languageModel(model, settings));
}

function viewAsV3(model: LanguageModelV4): LanguageModelV3 {
  return {
    specificationVersion: 'v3',
    provider: model.provider,
    modelId: model.modelId,
    supportedUrls: model.supportedUrls,
    async doGenerate(options) {
      const result = await model.doGenerate(upgrade(options));
      const { content, finishReason, warnings, structuredOutputText: _, ...rest } = result;
      return {
        ...rest,
        content: content.filter(isKnownToV3),
        finishReason: finishV3(finishReason),
        warnings: warnings.map(warningV3),
      };
    },
    async doStream(options) {
      const { stream } = await model.doStream(upgrade(options));
      const parts = new TransformStream<LanguageModelV4StreamPart, LanguageModelV3StreamPart>({
        transform(part, controller) {
          if (part.type === 'finish') controller.enqueue({ ...part, finishReason: finishV3(part.finishReason) });
          else if (part.type === 'stream-start') {
            controller.enqueue({ ...part, warnings: part.warnings.map(warningV3) });
          } else if (isStreamPartOfV3(part)) controller.enqueue(part);
        },
      });
      return { stream: stream.pipeThrough(parts) };
    },
  };
}

function finishV3({ unified, raw }: LanguageModelV4FinishReason): LanguageModelV3FinishReason {
  return { unified: unified === 'interrupted' ? 'other' : unified, raw };
}

function warningV3(warning: SharedV4Warning): SharedV3Warning {
  if (warning.type !== 'deprecated') return warning;
  return { type: 'other', message: `${warning.setting} is deprecated: ${warning.message}` };
}

type V4Content = LanguageModelV4GenerateResult['content'][number];
type CommonContent = Extract<V4Content, { type: 'text' | 'reasoning' | 'tool-call' }>;

/** All that a ChatModel says; the other kinds never come. */
function isKnownToV3(part: V4Content): part is CommonContent {
  return part.type === 'text' || part.type === 'reasoning' || part.type === 'tool-call';
}

type NewParts = { type: 'file' | 'reasoning-file' | 'custom' | 'ping' | 'finish' | 'stream-start' };

function isStreamPartOfV3(part: LanguageModelV4StreamPart): part is Exclude<LanguageModelV4StreamPart, NewParts> {
  return part.type !== 'file' && part.type !== 'reasoning-file' && part.type !== 'custom' && part.type !== 'ping';
}

function upgrade(options: LanguageModelV3CallOptions): LanguageModelV4CallOptions {
  return { ...options, prompt: options.prompt.map(upgradeMessage) };
}

function upgradeMessage(message: LanguageModelV3Message): LanguageModelV4Message {
  switch (message.role) {
    case 'system':
      return message;
    case 'user':
      return { ...message, content: message.content.map((part) => (part.type === 'file' ? upgradeFile(part) : part)) };
    case 'assistant':
      return {
        ...message,
        content: message.content.map((part) => {
          if (part.type === 'file') return upgradeFile(part);
          return part.type === 'tool-result' ? { ...part, output: upgradeOutput(part.output) } : part;
        }),
      };
    case 'tool':
      return {
        ...message,
        content: message.content.map((part) =>
          part.type === 'tool-result' ? { ...part, output: upgradeOutput(part.output) } : part,
        ),
      };
  }
}

function upgradeFile({ data, ...part }: LanguageModelV3FilePart): LanguageModelV4FilePart {
  return { ...part, data: data instanceof URL ? { type: 'url', url: data } : { type: 'data', data } };
}

type V3Output = Extract<
  Extract<LanguageModelV3Message, { role: 'tool' }>['content'][number],
  { type: 'tool-result' }
>['output'];
type OutputPart = Extract<LanguageModelV4ToolResultOutput, { type: 'content' }>['value'][number];

/** Media of a tool result is named to the model, not shown, so its bytes need not be carried over. */
function upgradeOutput(output: V3Output): LanguageModelV4ToolResultOutput {
  if (output.type !== 'content') return output;
  const value = output.value.map((part): OutputPart => {
    if (part.type === 'text' || part.type === 'custom') return part;
    const mediaType = 'mediaType' in part ? part.mediaType : part.type;
    return { type: 'file', mediaType, data: { type: 'data', data: '' } };
  });
  return { ...output, value };
}
