// `mimokit serve` as a process under test: its address, its engine, its memory and time, its own figures.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const cli = fileURLToPath(import.meta.resolve('@mimokit/cli/package.json'));
/** Of /proc/PID/stat; the same on every Linux that Node runs on. */
const ticksPerSecond = 100;

export class Served {
  readonly url: URL;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, url: URL) {
    this.#child = child;
    this.url = url;
  }

  /** Starts it on a free port; nano unless another model is named. */
  static async start(args: readonly string[], model?: { directory: string; name: string }): Promise<Served> {
    const main = cli.replace(/package\.json$/, 'src/main.ts');
    const served = ['--name', model?.name ?? 'nano', ...(model === undefined ? [] : ['--model', model.directory])];
    const command = ['--conditions=mimokit-source', main, 'serve', '--port', '0', '--log', 'error', ...served, ...args];
    const child = spawn(process.execPath, command, { stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    child.stdout.on('data', (bytes: Buffer) => {
      output += bytes.toString();
    });
    const deadline = performance.now() + 60_000;
    while (performance.now() < deadline && child.exitCode === null) {
      const address = /http:\/\/\S+(?=\/v1)/.exec(output)?.[0];
      if (address !== undefined) return new Served(child, new URL(address));
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    child.kill('SIGKILL');
    throw new Error(`the server did not start: ${output}`);
  }

  get isUp(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** The engine's process, the server's only child; undefined while there is none. */
  enginePid(): number | undefined {
    const { pid } = this.#child;
    const [first] = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ');
    return first === undefined || first === '' ? undefined : Number(first);
  }

  residentBytes(): number {
    const line = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${this.#child.pid}/status`, 'utf8'));
    return Number(line?.[1] ?? 0) * 1024;
  }

  /** Processor time of the server process, without its engine. */
  processorSeconds(): number {
    const stat = readFileSync(`/proc/${this.#child.pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
  }

  /** Lines of /metrics, by name and labels as written. */
  async metrics(): Promise<Map<string, number>> {
    const text = await (await fetch(new URL('/metrics', this.url))).text();
    const values = new Map<string, number>();
    for (const line of text.split('\n')) {
      const at = line.lastIndexOf(' ');
      if (at > 0 && !line.startsWith('#')) values.set(line.slice(0, at), Number(line.slice(at + 1)));
    }
    return values;
  }

  async isReady(): Promise<boolean> {
    try {
      return (await fetch(new URL('/ready', this.url))).ok;
    } catch {
      return false;
    }
  }

  /** SIGTERM; resolves with the exit code. */
  async stop(): Promise<number | null> {
    if (this.isUp) {
      this.#child.kill('SIGTERM');
      await once(this.#child, 'exit');
    }
    return this.#child.exitCode;
  }
}
