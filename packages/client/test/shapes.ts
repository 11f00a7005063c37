// The same answer, a thought and one call, in the stream shapes of four servers.
export const reasoning = ' The user asks for “Zürich”.\n\t看一下\u2028天气 <think>?</think> 🌦️\n\n';
export const content = 'Let me look. ';
export const call = { id: 'call_8f3a', name: 'get_weather', arguments: '{"city": "Zürich", "days": 2}' };
export const usage = { promptTokens: 318, cachedTokens: 256, completionTokens: 57, reasoningTokens: 21 };

const [thought1, thought2] = [reasoning.slice(0, 31), reasoning.slice(31)];
const head = { object: 'chat.completion.chunk', created: 1766041014, model: 'mimo-v2-flash' };
const line = (value: unknown): string => `data: ${JSON.stringify(value)}\n\n`;

function sglang(): string {
  const empty = { role: null, content: null, reasoning_content: null, tool_calls: null };
  const chunk = (delta: object, finish: string | null = null): string =>
    line({
      id: 'a1b2',
      ...head,
      choices: [{ index: 0, delta: { ...empty, ...delta }, logprobs: null, finish_reason: finish, matched_stop: null }],
      usage: null,
    });
  const tool = { id: call.id, index: 0, type: 'function', function: { name: call.name, arguments: call.arguments } };
  return [
    chunk({ role: 'assistant', content: '' }),
    chunk({ reasoning_content: thought1 }),
    chunk({ reasoning_content: thought2 }),
    chunk({ content }),
    chunk({ tool_calls: [tool] }),
    chunk({}, 'tool_calls'),
    line({
      id: 'a1b2',
      ...head,
      choices: [],
      usage: {
        prompt_tokens: 318,
        total_tokens: 375,
        completion_tokens: 57,
        prompt_tokens_details: { cached_tokens: 256 },
        reasoning_tokens: 21,
      },
    }),
    'data: [DONE]\n\n',
  ].join('');
}

function vllm(): string {
  const chunk = (delta: object, finish: object = { finish_reason: null }): string =>
    line({
      id: 'chatcmpl-77',
      ...head,
      choices: [{ index: 0, delta, logprobs: null, ...finish }],
      prompt_token_ids: null,
    });
  const fragment = (text: string): object => ({ tool_calls: [{ index: 0, function: { arguments: text } }] });
  return [
    chunk({ role: 'assistant', content: '' }),
    chunk({ reasoning: thought1 }),
    chunk({ reasoning: thought2 }),
    chunk({ content }),
    chunk({ tool_calls: [{ id: call.id, type: 'function', index: 0, function: { name: call.name } }] }),
    chunk(fragment(call.arguments.slice(0, 9))),
    // A burst: speculation lands two fragments of one call in one chunk.
    chunk({
      tool_calls: [
        { index: 0, function: { arguments: call.arguments.slice(9, 14) } },
        { index: 0, function: { arguments: call.arguments.slice(14) } },
      ],
    }),
    chunk({ content: '' }, { finish_reason: 'tool_calls', stop_reason: null, token_ids: null }),
    line({
      id: 'chatcmpl-77',
      ...head,
      choices: [],
      usage: {
        prompt_tokens: 318,
        total_tokens: 375,
        completion_tokens: 57,
        prompt_tokens_details: { cached_tokens: 256 },
        completion_tokens_details: { reasoning_tokens: 21 },
      },
    }),
    'data: [DONE]\n\n',
  ].join('');
}

function mimo(): string {
  const chunk = (delta: object, rest: object = {}): string =>
    line({
      id: '72c2d792',
      choices: [
        {
          delta: { content: null, role: 'assistant', tool_calls: null, reasoning_content: null, ...delta },
          finish_reason: null,
          index: 0,
          ...rest,
        },
      ],
      ...head,
    });
  return [
    ': keep-alive\r\n\r\n',
    chunk({ reasoning_content: thought1 }),
    chunk({ reasoning_content: thought2 }),
    chunk({ content }),
    chunk({ tool_calls: [{ index: 0, id: call.id, type: 'function', function: { name: call.name, arguments: '' } }] }),
    chunk({ tool_calls: [{ index: 0, id: null, function: { name: null, arguments: call.arguments } }] }),
    line({
      id: '72c2d792',
      choices: [
        {
          delta: { content: '', role: null, tool_calls: null, reasoning_content: null },
          finish_reason: 'tool_calls',
          index: 0,
        },
      ],
      ...head,
      usage: {
        completion_tokens: 57,
        prompt_tokens: 318,
        total_tokens: 375,
        completion_tokens_details: { reasoning_tokens: 21 },
        prompt_tokens_details: { cached_tokens: 256 },
      },
    }),
    'data: [DONE]\n\n',
  ].join('');
}

function llamaCpp(): string {
  const chunk = (delta: object, finish: string | null = null): string =>
    line({
      choices: [{ finish_reason: finish, index: 0, delta }],
      created: head.created,
      id: 'chatcmpl-q',
      model: head.model,
      system_fingerprint: 'b11434-0',
      object: head.object,
    });
  const rest = call.arguments.slice(1);
  const pieces = Array.from({ length: Math.ceil(rest.length / 4) }, (_, index) =>
    chunk({ tool_calls: [{ index: 0, function: { arguments: rest.slice(index * 4, index * 4 + 4) } }] }),
  );
  return [
    chunk({ role: 'assistant', content: null }),
    chunk({ reasoning_content: thought1 }),
    chunk({ reasoning_content: thought2 }),
    chunk({ content }),
    chunk({ tool_calls: [{ index: 0, id: call.id, type: 'function', function: { name: call.name, arguments: '{' } }] }),
    ...pieces,
    chunk({}, 'tool_calls'),
    line({
      choices: [],
      created: head.created,
      id: 'chatcmpl-q',
      model: head.model,
      object: head.object,
      usage: {
        completion_tokens: 57,
        prompt_tokens: 318,
        total_tokens: 375,
        completion_tokens_details: { reasoning_tokens: 21 },
        prompt_tokens_details: { cached_tokens: 256 },
      },
      timings: { cache_n: 256, prompt_n: 62, predicted_n: 57 },
    }),
    'data: [DONE]\n\n',
  ].join('');
}

export const shapes: readonly { preset: 'sglang' | 'vllm' | 'mimo' | 'llama.cpp'; bytes: string }[] = [
  { preset: 'sglang', bytes: sglang() },
  { preset: 'vllm', bytes: vllm() },
  { preset: 'mimo', bytes: mimo() },
  { preset: 'llama.cpp', bytes: llamaCpp() },
];
