// The laws of a ChatModel, on the client against real servers.
import { chatModelLaws } from '@mimokit/protocol/testing';
import { describe, test } from 'vitest';
import { createClient } from '../src/index.ts';
import { chunks, delta, json, serve, stream, type Answer } from './server.ts';
import { shapes } from './shapes.ts';

const text = { messages: [{ role: 'user' as const, content: 'Hello' }] };
const tool = {
  messages: [{ role: 'user' as const, content: 'Weather?' }],
  tools: [{ name: 'get_weather' }],
  thinking: true,
};
const requests = { text, tool, repeatable: true };
const hello = chunks(delta({ content: 'Hel' }), delta({ content: 'lo' }, 'stop'));

for (const { preset, bytes } of shapes) {
  describe(`the client against ${preset}`, () => {
    const answer: Answer = (response, received) => {
      const asksTool = received.body['tools'] !== undefined && received.body.messages.length === 1;
      return stream(asksTool ? bytes : hello)(response, received);
    };
    const open = async () => {
      const server = await serve(answer);
      return Object.assign(createClient({ baseURL: server.baseURL, model: 'm', preset }), {
        [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
      });
    };
    test.each(chatModelLaws(open, requests))('$name', ({ check }) => check());
  });
}

describe('the client without streams', () => {
  const open = async () => {
    const server = await serve(
      json(200, { choices: [{ message: { content: 'Hello', reasoning: 'r' }, finish_reason: 'stop' }] }),
    );
    return Object.assign(createClient({ baseURL: server.baseURL, model: 'm', stream: false }), {
      [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
    });
  };
  test.each(chatModelLaws(open, { text, repeatable: true }))('$name', ({ check }) => check());
});
