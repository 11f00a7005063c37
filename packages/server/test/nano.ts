// nano behind a server, for the tests: on the native runner where it is built, else on the TypeScript one.
import { nativeRunner } from '@mimokit/kernels';
import { demoTools, modelDirectory } from '@mimokit/nano';
import type { ChatModel, ChatRequest, RunnerFactory } from '@mimokit/protocol';
import { jsRunner } from '@mimokit/runner-js/node';
import { type LocalModel, openModel, type OpenModelOptions } from '@mimokit/runtime';
import { openServer, type RunningServer, type ServerOptions } from '../src/node.ts';

export const eitherRunner: RunnerFactory = async (directory, options) => {
  try {
    return await nativeRunner(directory, { threads: 1, ...options });
  } catch {
    return jsRunner(directory, options);
  }
};

export function openNano(options: Partial<OpenModelOptions> = {}): Promise<LocalModel> {
  return openModel(modelDirectory(), { runner: eitherRunner, modelId: 'nano', ...options });
}

export interface OpenAITool {
  type: 'function';
  function: (typeof demoTools)[number] & Record<string, unknown>;
}

/** The demonstration tools as OpenAI writes them, and what each gives back. */
export const openaiTools: OpenAITool[] = demoTools.map((tool) => ({
  type: 'function' as const,
  function: { ...tool },
}));

export function runTool(name: string, input: Record<string, unknown>): string {
  if (name === 'calculator') return input['expression'] === '37 * 12' ? '444' : 'cannot';
  if (name === 'convert_units') return '8.04672 kilometers';
  return '2026-11-24T12:00:00Z';
}

export interface Served extends AsyncDisposable {
  server: RunningServer;
  /** What the model was asked, request by request, as it saw it. */
  asked: ChatRequest[];
  /** Prompts of those requests, as text. */
  prompts: string[];
  /** Bodies as they arrived, by path. */
  bodies: { path: string; body: Record<string, unknown> }[];
}

/** A server over a model, with what arrives and what the model gets written down. */
export async function serveNano(model: LocalModel, options: Partial<ServerOptions> = {}): Promise<Served> {
  const asked: ChatRequest[] = [];
  const prompts: string[] = [];
  const bodies: Served['bodies'] = [];
  const watched: ChatModel = {
    modelId: model.modelId,
    chat(request) {
      asked.push(request);
      prompts.push(model.render(request).text);
      return model.chat(request);
    },
  };
  const onError = (error: unknown): void => console.error(error);
  const server = await openServer({ port: 0, models: [watched], onError, ...options });
  return { server, asked, prompts, bodies, [Symbol.asyncDispose]: () => server.close(0) };
}

/** A fetch that writes down every body before it goes out. */
export function spyFetch(bodies: Served['bodies']): typeof fetch {
  return async (input, init) => {
    const request = new Request(input, init);
    if (request.method === 'POST') {
      bodies.push({
        path: new URL(request.url).pathname,
        body: (await request.clone().json()) as Record<string, unknown>,
      });
    }
    return fetch(request);
  };
}
