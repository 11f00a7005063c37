// The exact prompt of a conversation, to the byte. Watch: reasoning before the last user message is dropped, later is kept.
import { createChatTemplate } from '@mimokit/chat-template';
import type { Message } from '@mimokit/protocol';

const messages: Message[] = [
  { role: 'user', content: 'Add 2 and 3.' },
  { role: 'assistant', reasoning: 'That is 5.', content: '5' },
  { role: 'user', content: 'And 4?' },
];
const template = createChatTemplate('mimo-v2-flash');
const thinking = template.render({ messages, thinking: true });
console.log(thinking.text);
console.log(`the model may think: ${thinking.output === 'auto'}`);

const plain = template.render({ messages, thinking: false });
console.log(`thinking off ends with ${plain.text.slice(-15)}`);
