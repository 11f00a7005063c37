// Serve a model over HTTP: OpenAI, Anthropic and SGLang APIs on one port, until SIGTERM or Ctrl+C.
import { readFile } from 'node:fs/promises';
import { MimoError } from '@mimokit/protocol';
import { openModel } from '@mimokit/runtime';
import { openServer, type ServerOptions } from '@mimokit/server/node';
import { defineCommand } from 'citty';
import pc from 'picocolors';
import { modelArgs, modelDirectory, oneOf, runnerOptions, wholeNumber } from '../model-options.ts';
import { pickRunner } from '../pick-runner.ts';

export const serve = defineCommand({
  meta: { name: 'serve', description: 'serve a model: OpenAI, Anthropic and SGLang APIs' },
  args: {
    ...modelArgs,
    name: { type: 'string', valueHint: 'NAME', description: 'what clients call the model (default: its folder)' },
    host: { type: 'string', default: '127.0.0.1', valueHint: 'HOST', description: 'any other needs --api-key-file' },
    port: { type: 'string', default: '8080', valueHint: 'N', description: '0 takes a free one' },
    'api-key-file': { type: 'string', valueHint: 'FILE', description: 'one key a line; each is a tenant of its own' },
    'reasoning-recall': {
      type: 'string',
      default: 'restore',
      valueHint: 'off|restore|strict',
      description: 'for clients that drop the reasoning of past turns',
    },
    cors: { type: 'string', valueHint: 'ORIGINS', description: 'comma-separated origins that browsers may ask from' },
    running: { type: 'string', default: '64', valueHint: 'N', description: 'answers at once' },
    waiting: { type: 'string', default: '64', valueHint: 'N', description: 'requests that may wait; more get 429' },
    grace: { type: 'string', default: '30', valueHint: 'SECONDS', description: 'for running answers after SIGTERM' },
  },
  async run({ args }) {
    const { name, open, notice } = await pickRunner(args.runner);
    if (notice !== undefined) console.error(notice);
    const graceMs = wholeNumber('grace', args.grace, 0, 86_400) * 1000;
    const server: Omit<ServerOptions, 'models'> = {
      host: args.host,
      port: wholeNumber('port', args.port, 0, 65_535),
      reasoningRecall: oneOf('reasoning-recall', args['reasoning-recall'], ['off', 'restore', 'strict']),
      limits: {
        running: wholeNumber('running', args.running, 1, 65_536),
        waiting: wholeNumber('waiting', args.waiting, 0, 65_536),
      },
      onError: (error, requestId) =>
        console.error(`${requestId}: ${error instanceof Error ? error.message : 'failed'}`),
    };
    if (args['api-key-file'] !== undefined) server.apiKeys = await readKeys(args['api-key-file']);
    if (args.cors !== undefined) server.corsOrigins = args.cors.split(',').map((origin) => origin.trim());
    const directory = await modelDirectory(args);
    await using model = await openModel(directory, {
      runner: open,
      runnerOptions: runnerOptions(args),
      ...(args.name === undefined ? {} : { modelId: args.name }),
    });
    await using running = await openServer({ ...server, models: [model] });
    console.log(
      `${pc.bold(model.modelId)} on the ${name === 'cpu' ? 'native' : 'TypeScript'} runner: ${running.url}/v1`,
    );
    await untilToldToEnd();
    console.log(`Draining for at most ${args.grace} s.`);
    await running.close(graceMs);
  },
});

/** Resolves at the first signal; a second one ends the process at once, as the shell expects. */
function untilToldToEnd(): Promise<void> {
  return new Promise((resolve) => {
    const tell = (): void => {
      for (const signal of ['SIGTERM', 'SIGINT'] as const) process.off(signal, tell);
      resolve();
    };
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, tell);
  });
}

async function readKeys(file: string): Promise<string[]> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    throw new MimoError('invalid-argument', `--api-key-file ${file} cannot be read.`, { cause });
  }
  const keys = text.split('\n').map((line) => line.trim());
  const given = keys.filter((key) => key !== '');
  if (given.length > 0) return given;
  throw new MimoError('invalid-argument', `--api-key-file ${file} has no key.`, { hint: 'Write one key a line.' });
}
