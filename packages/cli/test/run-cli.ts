// Runs the command line from its sources, as a child process with real pipes.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const main = fileURLToPath(new URL('../src/main.ts', import.meta.url));

export interface CliResult {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Runs `mimokit ARGS` with `input` on standard input. */
export function runCli(args: readonly string[], input: string | Uint8Array = ''): Promise<CliResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['--conditions=mimokit-source', '--no-warnings', main, ...args], {
      stdio: 'pipe',
      // Colours are for people; some CI machines ask for them by their environment.
      env: { ...process.env, NO_COLOR: '1', FORCE_COLOR: undefined },
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout, stderr }));
    // A command that fails early closes its input; that is its right.
    child.stdin.on('error', () => {});
    child.stdin.end(input);
  });
}

/** The same for filters: JSON values in, parsed JSON lines out. */
export async function runFilter<T>(args: readonly string[], lines: readonly unknown[]): Promise<T[]> {
  const input = lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n');
  const { code, stdout, stderr } = await runCli(args, input);
  if (code !== 0) throw new Error(`mimokit ${args.join(' ')} ended with ${code}: ${stderr}${stdout.slice(0, 2000)}`);
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as T);
}
