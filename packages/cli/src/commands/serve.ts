// Serve a model over HTTP: OpenAI, Anthropic and SGLang APIs on one port, until SIGTERM or Ctrl+C.
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MimoError, type RunnerFactory } from '@mimokit/protocol';
import { openModel } from '@mimokit/runtime';
import { processRunner, supervised, type SupervisionEvent } from '@mimokit/runtime/process';
import { openServer, type ServerOptions } from '@mimokit/server/node';
import { type EncodePool, openEncodePool } from '@mimokit/tokenizer/pool';
import { defineCommand } from 'citty';
import pc from 'picocolors';
import { modelArgs, modelDirectory, oneOf, runnerOptions, wholeNumber } from '../model-options.ts';
import { pino } from 'pino';
import { ownTemplate } from '../own-template.ts';
import { type PickedRunner, pickRunner } from '../pick-runner.ts';

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
    'in-process': { type: 'boolean', default: false, description: 'run the engine here, not in a child process' },
    log: { type: 'string', default: 'info', valueHint: 'LEVEL', description: 'silent, error, warn, info or debug' },
    grace: { type: 'string', default: '30', valueHint: 'SECONDS', description: 'for running answers after SIGTERM' },
  },
  async run({ args }) {
    // JSON lines on standard error; prompts and answers are never in them.
    const level = oneOf('log', args.log, ['silent', 'error', 'warn', 'info', 'debug']);
    const destination = pino.destination({ dest: 2, sync: false });
    destination.on('error', () => {});
    const log = pino({ level, base: null }, destination);
    const picked = await pickRunner(args.runner);
    if (picked.notice !== undefined) console.error(picked.notice);
    const engine = args['in-process'] ? undefined : superviseEngine(picked, (event) => logEvent(log, event));
    const graceMs = wholeNumber('grace', args.grace, 0, 86_400) * 1000;
    const server: Omit<ServerOptions, 'models'> = {
      host: args.host,
      port: wholeNumber('port', args.port, 0, 65_535),
      reasoningRecall: oneOf('reasoning-recall', args['reasoning-recall'], ['off', 'restore', 'strict']),
      limits: {
        running: wholeNumber('running', args.running, 1, 65_536),
        waiting: wholeNumber('waiting', args.waiting, 0, 65_536),
      },
      processMetrics: true,
      isReady: () => engine?.isReady() ?? true,
      onError: (error, requestId) => log.error({ requestId, err: error }, 'request failed'),
      onRequest: (record) => log.info(record, 'request'),
    };
    if (args['api-key-file'] !== undefined) server.apiKeys = await readKeys(args['api-key-file']);
    if (args.cors !== undefined) server.corsOrigins = args.cors.split(',').map((origin) => origin.trim());
    const directory = await modelDirectory(args);
    const own = await ownTemplate(directory);
    if (own !== undefined) console.error(own.notice);
    await using encoder = await openEncoder(directory);
    await using model = await openModel(directory, {
      encoder,
      runner: engine?.open ?? picked.open,
      runnerOptions: runnerOptions(args),
      ...(args.name === undefined ? {} : { modelId: args.name }),
      ...(own && { template: own.template }),
    });
    await using running = await openServer({ ...server, models: [model] });
    const runner = picked.name === 'cpu' ? 'native' : 'TypeScript';
    console.log(`${pc.bold(model.modelId)} on the ${runner} runner: ${running.url}/v1`);
    await untilToldToEnd();
    // Not on standard output: whoever started this may long have closed it.
    log.info({ graceMs }, 'draining');
    await running.close(graceMs);
  },
});

/** Encodes long prompts on another thread; a model without tokenizer.json takes ids only. */
async function openEncoder(directory: string): Promise<EncodePool | undefined> {
  const file = join(directory, 'tokenizer.json');
  return existsSync(file) ? openEncodePool({ file }, { threads: 1 }) : undefined;
}

/** The engine in a child process that comes back when it dies; what it was answering is computed again. */
function superviseEngine(
  { name }: PickedRunner,
  onEvent: (event: SupervisionEvent) => void,
): { open: RunnerFactory; isReady: () => boolean } {
  const module = import.meta.resolve(name === 'cpu' ? '@mimokit/kernels' : '@mimokit/runner-js/node');
  const start = supervised(processRunner({ module, name: name === 'cpu' ? 'nativeRunner' : 'jsRunner' }), { onEvent });
  let state = (): string => 'starting';
  return {
    open: async (directory, options) => {
      const runner = await start(directory, options);
      state = () => runner.state;
      return runner;
    },
    isReady: () => state() === 'running',
  };
}

function logEvent(log: pino.Logger, event: SupervisionEvent): void {
  if (event.type === 'restarted') log.warn({ milliseconds: Math.round(event.milliseconds) }, 'engine restarted');
  else if (event.type === 'gave-up') log.fatal({ err: event.error }, 'engine given up');
  else log.error({ err: event.error }, event.type === 'lost' ? 'engine lost' : 'engine start failed');
}

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
