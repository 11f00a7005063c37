#!/usr/bin/env node
// The `mimokit` command: composition only; each command is a file of its own and is loaded when it is called.
import { defineCommand, renderUsage, runCommand } from 'citty';
import { refuseUnknownOptions } from './known-options.ts';
import { reportError } from './terminal.ts';

const main = defineCommand({
  meta: {
    name: 'mimokit',
    description: 'MiMo-V2-Flash for Node.js: chat, look inside, and drive every part from a shell.',
  },
  subCommands: {
    chat: () => import('./commands/chat.ts').then((module) => module.chat),
    serve: () => import('./commands/serve.ts').then((module) => module.serve),
    inspect: () => import('./commands/inspect.ts').then((module) => module.inspect),
    convert: () => import('./commands/convert.ts').then((module) => module.convert),
    doctor: () => import('./commands/doctor.ts').then((module) => module.doctor),
    tokenize: () => import('./commands/filters.ts').then((module) => module.tokenize),
    detokenize: () => import('./commands/filters.ts').then((module) => module.detokenize),
    render: () => import('./commands/filters.ts').then((module) => module.render),
    parse: () => import('./commands/filters.ts').then((module) => module.parseCommand),
    logits: () => import('./commands/logits.ts').then((module) => module.logits),
    generate: () => import('./commands/generate.ts').then((module) => module.generate),
  },
});

const rawArgs = process.argv.slice(2);
// A reader that closes early (`| head`) ends the command quietly.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

try {
  const name = rawArgs.find((arg) => !arg.startsWith('-'));
  const commands = main.subCommands as Record<string, () => Promise<Parameters<typeof renderUsage>[0]>>;
  const command = name !== undefined && Object.hasOwn(commands, name) ? await commands[name]!() : undefined;
  if (rawArgs.includes('--help') || rawArgs.includes('-h') || rawArgs.length === 0) {
    console.log(command ? await renderUsage(command, main) : await renderUsage(main));
    if (rawArgs.length === 0) process.exitCode = 2;
  } else {
    const options = await (typeof command?.args === 'function' ? command.args() : command?.args);
    if (options !== undefined) refuseUnknownOptions(options, rawArgs);
    await runCommand(main, { rawArgs });
  }
} catch (error) {
  process.exitCode = reportError(error);
}
