// Talk to a local model. On a terminal: an interactive chat. Without one: three scripted turns with a tool call.
import { createInterface } from 'node:readline/promises';
import type { Message } from '@mimokit/protocol';
import { openModel } from '@mimokit/runtime';
import { defineCommand } from 'citty';
import pc from 'picocolors';
import { figuresLine, runTurn, type TurnFigures, type TurnOptions } from '../chat-turn.ts';
import { modelArgs, modelDirectory, runnerOptions, wholeNumber } from '../model-options.ts';
import { ownTemplate } from '../own-template.ts';
import { pickRunner } from '../pick-runner.ts';

const script = ['What is 37 * 12?', 'Convert 5 miles to kilometers.', 'Thank you!'];

export const chat = defineCommand({
  meta: { name: 'chat', description: 'talk to a model; without a terminal, three scripted turns' },
  args: {
    ...modelArgs,
    thinking: {
      type: 'boolean',
      default: true,
      description: 'let the model think first',
      negativeDescription: 'answer without thinking',
    },
    tools: {
      type: 'boolean',
      default: true,
      description: 'offer clock, calculator and convert_units',
      negativeDescription: 'offer no tools',
    },
    temperature: { type: 'string', default: '0', valueHint: 'T', description: '0 is greedy' },
    'max-tokens': { type: 'string', default: '512', valueHint: 'N', description: 'longest answer' },
    json: { type: 'boolean', default: false, description: 'scripted turns as JSON lines' },
  },
  async run({ args }) {
    const { name, open, notice } = await pickRunner(args.runner);
    if (notice !== undefined) console.error(notice);
    const directory = await modelDirectory(args);
    const own = await ownTemplate(directory);
    if (own !== undefined) console.error(own.notice);
    await using model = await openModel(directory, {
      runner: open,
      runnerOptions: runnerOptions(args),
      ...(own && { template: own.template }),
    });
    const options = {
      model,
      thinking: args.thinking,
      tools: args.tools,
      maxTokens: wholeNumber('max-tokens', args['max-tokens'], 1, 1 << 20),
      temperature: Number(args.temperature),
    };
    const interactive = process.stdin.isTTY === true && process.stdout.isTTY === true && !args.json;
    if (!args.json) {
      console.log(pc.bold(`${model.modelId} on the ${name === 'cpu' ? 'native' : 'TypeScript'} runner`));
    }
    if (interactive) await talk(options);
    else await scripted(options, args.json);
  },
});

type ChatOptions = Omit<TurnOptions, 'messages' | 'write' | 'signal'>;

/** Standard input is never read here. */
async function scripted(options: ChatOptions, json: boolean): Promise<void> {
  let messages: readonly Message[] = [];
  for (const line of script) {
    const before = messages.length;
    if (!json) console.log(`\n${pc.bold('     you')}  ${line}`);
    const turn = await runTurn({
      ...options,
      messages: [...messages, { role: 'user', content: line }],
      write: (text) => void (json || process.stdout.write(text)),
    });
    messages = turn.messages;
    if (json) console.log(JSON.stringify({ messages: messages.slice(before), figures: turn.figures }));
    else printFigures(turn.figures);
  }
}

async function talk(options: ChatOptions): Promise<void> {
  console.log(pc.dim('/new starts again, /think switches thinking, /quit or Ctrl+D ends; Ctrl+C stops an answer.\n'));
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  let running: AbortController | undefined;
  terminal.on('SIGINT', () => (running ? running.abort() : terminal.close()));
  const closed = new Promise<undefined>((resolve) => terminal.once('close', () => resolve(undefined)));
  let messages: readonly Message[] = [];
  let { thinking } = options;
  try {
    for (;;) {
      const line = await Promise.race([terminal.question(pc.bold('     you  ')), closed]);
      if (line === undefined || line.trim() === '/quit') return;
      if (line.trim() === '') continue;
      if (line.trim() === '/new') {
        messages = [];
        console.log(pc.dim('A new conversation.'));
        continue;
      }
      if (line.trim() === '/think') {
        thinking = !thinking;
        console.log(pc.dim(`Thinking is ${thinking ? 'on' : 'off'}.`));
        continue;
      }
      running = new AbortController();
      const turn = await runTurn({
        ...options,
        thinking,
        messages: [...messages, { role: 'user', content: line }],
        signal: running.signal,
        write: (text) => void process.stdout.write(text),
      });
      running = undefined;
      messages = turn.messages;
      printFigures(turn.figures);
    }
  } finally {
    terminal.close();
  }
}

function printFigures(figures: TurnFigures): void {
  console.log(pc.dim(`          ${figuresLine(figures)}\n`));
}
