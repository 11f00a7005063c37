// Raw model output, piece by piece, to reasoning, text and typed tool calls. Watch: any split gives the same events, and the
// value 3 arrives as a number because the tool's schema says so.
import { createChatTemplate } from '@mimokit/chat-template';

const tools = [
  {
    name: 'forecast',
    parameters: { type: 'object', properties: { city: { type: 'string' }, days: { type: 'integer' } } },
  },
];
const output =
  '<think>I need the weather.</think>Let me look.<tool_call>\n<function=forecast>\n' +
  '<parameter=city>Oslo</parameter>\n<parameter=days>3</parameter>\n</function>\n</tool_call>';

const parser = createChatTemplate('mimo-v2-flash').parser({ output: 'auto', tools });
for (const piece of output.match(/.{1,7}/gs) ?? []) {
  for (const event of parser.push(piece)) {
    if (event.type === 'tool-input-start') console.log(`calling ${event.name}`);
  }
}
const { message } = parser.end();
console.log(`reasoning: ${message.reasoning}`);
console.log(`content: ${message.content}`);
console.log(`arguments: ${message.toolCalls?.[0]?.arguments}`);
