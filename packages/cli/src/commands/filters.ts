// The filters over text: tokenize, detokenize, render, parse.
import { parse, createChatTemplate } from '@mimokit/chat-template';
import { fromOpenAIMessages, fromOpenAITools, toOpenAIAssistant } from '@mimokit/protocol/wire';
import { defineCommand } from 'citty';
import { detokenizeLine, parseLine, readLine, readLosslessLine, renderLine, tokenizeLine } from '../fields.ts';
import { runLineFilter } from '../line-filter.ts';
import { oneOf } from '../model-options.ts';
import { openTokenizer } from '../open-tokenizer.ts';

const tokenizerOption = {
  type: 'string',
  default: 'mimo',
  valueHint: 'DIR|mimo',
  description: 'a folder with tokenizer.json, or the embedded vocabulary',
} as const;
const jsonOption = { type: 'boolean', default: true, description: 'JSON lines (the only form)' } as const;

export const tokenize = defineCommand({
  meta: { name: 'tokenize', description: '{"text","special"?} → {"ids"}' },
  args: { tokenizer: tokenizerOption, json: jsonOption },
  async run({ args }) {
    const tokenizer = await openTokenizer(args.tokenizer);
    process.exitCode = await runLineFilter({
      answer(line) {
        const { text, special } = readLine(tokenizeLine, line);
        return { ids: [...tokenizer.encode(text, { special })] };
      },
    });
  },
});

export const detokenize = defineCommand({
  meta: { name: 'detokenize', description: '{"ids"} → {"text","pieces"}' },
  args: { tokenizer: tokenizerOption, json: jsonOption },
  async run({ args }) {
    const tokenizer = await openTokenizer(args.tokenizer);
    process.exitCode = await runLineFilter({
      answer(line) {
        const { ids } = readLine(detokenizeLine, line);
        const stream = tokenizer.decodeStream();
        const pieces = ids.map((id) => stream.push([id]));
        return { text: pieces.join('') + stream.flush(), pieces };
      },
    });
  },
});

export const render = defineCommand({
  meta: { name: 'render', description: '{"messages","tools"?,"kwargs"?,"profile"?} → {"text"}' },
  args: { json: jsonOption },
  async run() {
    process.exitCode = await runLineFilter({
      answer(line) {
        // Lossless: 1.0, 1e-07 and 20-digit numbers print as they were written.
        const { messages, tools, kwargs, profile } = readLosslessLine(renderLine, line);
        const rendered = createChatTemplate(profile).render({
          messages: fromOpenAIMessages(messages),
          ...(tools != null && { tools: fromOpenAITools(tools) }),
          addGenerationPrompt: kwargs?.add_generation_prompt ?? false,
          ...(kwargs?.enable_thinking !== undefined && { thinking: kwargs.enable_thinking }),
          ...(kwargs?.keep_all_reasoning !== undefined && { keepAllReasoning: kwargs.keep_all_reasoning }),
        });
        return { text: rendered.text };
      },
    });
  },
});

export const parseCommand = defineCommand({
  meta: { name: 'parse', description: '{"text","tools"?,"output"?} → {"message"}' },
  args: {
    split: { type: 'string', valueHint: 'every', description: 'every: feed the parser one code unit at a time' },
    json: jsonOption,
  },
  async run({ args }) {
    const byUnit = args.split !== undefined && oneOf('split', args.split, ['every']) === 'every';
    process.exitCode = await runLineFilter({
      answer(line) {
        const { text, tools, output } = readLosslessLine(parseLine, line);
        const options = { output, ...(tools != null && { tools: fromOpenAITools(tools) }) };
        const parsed = byUnit ? parseByUnit(text, options) : parse(text, options);
        return { message: toOpenAIAssistant(parsed.message) };
      },
    });
  },
});

function parseByUnit(text: string, options: Parameters<typeof parse>[1]): ReturnType<typeof parse> {
  const parser = createChatTemplate('mimo-v2-flash').parser(options);
  for (let at = 0; at < text.length; at += 1) parser.push(text[at]!);
  return parser.end();
}
