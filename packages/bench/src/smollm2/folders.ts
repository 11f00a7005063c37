// Where the SmolLM2 checkpoints and the peer are: too large for the repository, so named by the environment. Made by none of this code.
import { existsSync } from 'node:fs';
import { join } from 'node:path';

const help = `
  MIMOKIT_SMOLLM2=DIR        holds bf16-dense/ and fp8-dense/: SmolLM2-135M-Instruct in MiMo's format
  MIMOKIT_LLAMA_CPP=DIR      holds node_modules/node-llama-cpp (npm i --ignore-scripts node-llama-cpp@3.22.1) and
                             q8_0.gguf and f16.gguf, the same weights`;

/** The folder of checkpoints, or a reason to stop. */
export function checkpoints(): string {
  return folder('MIMOKIT_SMOLLM2', ['bf16-dense/config.json', 'fp8-dense/config.json']);
}

/** The folder of the peer, or a reason to stop. */
export function peer(): string {
  return folder('MIMOKIT_LLAMA_CPP', ['node_modules/node-llama-cpp/package.json', 'q8_0.gguf', 'f16.gguf']);
}

function folder(variable: string, files: readonly string[]): string {
  const directory = process.env[variable];
  if (directory === undefined) return stop(`${variable} is not set; nothing was measured.`);
  const missing = files.filter((file) => !existsSync(join(directory, file)));
  return missing.length > 0 ? stop(`${directory} has no ${missing.join(', ')}; nothing was measured.`) : directory;
}

function stop(problem: string): never {
  console.error(`skipped: ${problem}${help}`);
  process.exit(0);
}
