// One raw answer, a thought, a word and one call, in the completion stream shapes of three engines.
export const reasoning = ' The user asks for “Zürich”.\n\t看一下\u2028天气 🌦️\n\n';
export const content = 'Let me look. ';
export const argumentsText = '{"city":"Zürich","days":2}';
const call =
  '<tool_call>\n<function=get_weather>\n<parameter=city>Zürich</parameter>\n<parameter=days>2</parameter>\n</function>\n</tool_call>';
export const answer: string = `<think>${reasoning}</think>${content}${call}`;

const line = (value: unknown): string => `data: ${JSON.stringify(value)}\n\n`;

/** Pieces as tokens would cut them: tags whole, text in bits of three characters, never half a surrogate pair. */
function pieces(text: string): string[] {
  const characters = Array.from(text);
  return Array.from({ length: Math.ceil(characters.length / 3) }, (_, at) =>
    characters.slice(at * 3, at * 3 + 3).join(''),
  );
}

function sglang(text: string): string {
  const head = { id: '5f0e', object: 'text_completion', created: 1766041014, model: 'mimo-v2-flash' };
  const chunk = (piece: string, finish: string | null, matched: number | null): string =>
    line({
      ...head,
      choices: [{ index: 0, text: piece, logprobs: null, finish_reason: finish, matched_stop: matched }],
      usage: null,
    });
  const usage = {
    prompt_tokens: 318,
    total_tokens: 375,
    completion_tokens: 57,
    prompt_tokens_details: { cached_tokens: 256 },
    reasoning_tokens: 0,
  };
  return [
    ...pieces(text).map((piece) => chunk(piece, null, null)),
    chunk('', 'stop', 151645),
    line({ ...head, choices: [], usage }),
    'data: [DONE]\n\n',
  ].join('');
}

function vllm(text: string): string {
  const head = { id: 'cmpl-77', object: 'text_completion', created: 1766041014, model: 'mimo-v2-flash' };
  const chunk = (piece: string, finish: string | null): string =>
    line({
      ...head,
      choices: [
        {
          index: 0,
          text: piece,
          logprobs: null,
          finish_reason: finish,
          stop_reason: null,
          prompt_token_ids: null,
          token_ids: null,
        },
      ],
    });
  const usage = {
    prompt_tokens: 318,
    total_tokens: 375,
    completion_tokens: 57,
    prompt_tokens_details: { cached_tokens: 256 },
  };
  // Speculation lands several tokens in one chunk, and the last text comes with the finish.
  const all = pieces(text);
  const bursts = all.flatMap((piece, at) => (at % 4 === 0 ? [all.slice(at, at + 4).join('')] : []));
  return [
    ...bursts.map((piece, at) => chunk(piece, at + 1 === bursts.length ? 'stop' : null)),
    line({ ...head, choices: [], usage }),
    'data: [DONE]\n\n',
  ].join('');
}

function llamaCpp(text: string): string {
  const chunk = (piece: string, finish: string | null, rest: object = {}): string =>
    line({
      choices: [{ text: piece, index: 0, logprobs: null, finish_reason: finish }],
      created: 1766041014,
      model: 'mimo-v2-flash',
      system_fingerprint: 'b11434-0',
      object: 'text_completion',
      id: 'chatcmpl-q',
      ...rest,
    });
  const usage = {
    completion_tokens: 57,
    prompt_tokens: 318,
    total_tokens: 375,
    prompt_tokens_details: { cached_tokens: 256 },
  };
  return [
    ...pieces(text).map((piece) => chunk(piece, null)),
    chunk('', 'stop', { usage, timings: { cache_n: 256, prompt_n: 62, predicted_n: 57 } }),
    'data: [DONE]\n\n',
  ].join('');
}

interface CompletionShape {
  preset: 'sglang' | 'vllm' | 'llama.cpp';
  /** The stream whose pieces add up to this text. */
  shape: (text: string) => string;
}

export const completionShapes: readonly [CompletionShape, CompletionShape, CompletionShape] = [
  { preset: 'sglang', shape: sglang },
  { preset: 'vllm', shape: vllm },
  { preset: 'llama.cpp', shape: llamaCpp },
];
