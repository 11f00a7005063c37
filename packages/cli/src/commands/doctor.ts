// What this machine has, which runner would be used and why, and whether the embedded model answers.
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { arch, cpus, platform, totalmem } from 'node:os';
import { join } from 'node:path';
import { isMimoError } from '@mimokit/protocol';
import { openModel } from '@mimokit/runtime';
import { defineCommand } from 'citty';
import { errorBody } from '../line-filter.ts';
import { pickRunner } from '../pick-runner.ts';
import { formatBytes, table } from '../terminal.ts';

interface Finding {
  what: string;
  ok: boolean;
  found: string;
  /** What to do when it is not ok. */
  next?: string;
}

export const doctor = defineCommand({
  meta: { name: 'doctor', description: 'machine, runner and embedded model, each checked' },
  args: { json: { type: 'boolean', default: false, description: 'print JSON' } },
  async run({ args }) {
    const findings: Finding[] = [
      nodeVersion(),
      machine(),
      await nativeRunner(),
      await gpu(),
      await weights(),
      await answers(),
    ];
    const healthy = findings.every(({ ok }) => ok);
    if (args.json) console.log(JSON.stringify({ healthy, findings }));
    else {
      console.log(table(findings.map(({ what, ok, found }) => [ok ? 'ok' : '--', what, found])));
      for (const { next, what } of findings) if (next !== undefined) console.log(`\n${what}: ${next}`);
    }
    process.exitCode = healthy ? 0 : 1;
  },
});

function nodeVersion(): Finding {
  const [major, minor] = process.versions.node.split('.').map(Number) as [number, number];
  const ok = major > 22 || (major === 22 && minor >= 12);
  return { what: 'node', ok, found: process.version, ...(!ok && { next: 'install Node 22.12 or newer' }) };
}

function machine(): Finding {
  const model = cpus()[0]?.model.trim() ?? 'unknown processor';
  return {
    what: 'machine',
    ok: true,
    found: `${platform()}-${arch()}, ${cpus().length} x ${model}, ${formatBytes(totalmem())}`,
  };
}

async function nativeRunner(): Promise<Finding> {
  try {
    const { machineReport } = await import('@mimokit/kernels');
    const report = machineReport();
    return { what: 'native runner', ok: true, found: `${report.level}, ${report.threads} threads` };
  } catch (error) {
    const { message, hint } = errorBody(error);
    return {
      what: 'native runner',
      ok: false,
      found: message.split('\n')[0]!,
      next: hint ?? 'the TypeScript runner is used instead',
    };
  }
}

/** A machine without a GPU is healthy; the finding says why none is used. */
async function gpu(): Promise<Finding> {
  const found = (text: string): Finding => ({ what: 'gpu', ok: true, found: text });
  try {
    const { machineReport } = await import('@mimokit/kernels');
    const { cuda } = machineReport();
    if (cuda === undefined) return found('not used: this binary was built without CUDA');
    const gpus = cuda.gpus.map(({ name, capability, memoryBytes, target }) => {
      const kernels = target === undefined ? 'no kernels for it' : `kernels for ${target}`;
      return `${name} (${capability}, ${formatBytes(memoryBytes)}, ${kernels})`;
    });
    const driver = cuda.driver === undefined ? [] : [`driver for CUDA ${cuda.driver / 1000}`];
    const images =
      cuda.imageBytes === 0 ? 'no kernels embedded' : `${formatBytes(cuda.imageBytes)} of kernels embedded`;
    const unused = cuda.unused === undefined ? [] : [`not used: ${cuda.unused}`];
    return found([...gpus, ...driver, images, ...unused].join('; '));
  } catch (error) {
    return found(`not used: ${errorBody(error).message.split('\n')[0]!}`);
  }
}

async function weights(): Promise<Finding> {
  const { files, modelDirectory } = await import('@mimokit/nano');
  for (const { name, sha256 } of files) {
    const bytes = await readFile(join(modelDirectory(), name));
    if (createHash('sha256').update(bytes).digest('hex') !== sha256) {
      return {
        what: 'embedded model',
        ok: false,
        found: `${name} differs from its pin`,
        next: 'install @mimokit/nano again',
      };
    }
  }
  return { what: 'embedded model', ok: true, found: `${files.length} files match their pins` };
}

async function answers(): Promise<Finding> {
  try {
    const { modelDirectory } = await import('@mimokit/nano');
    const { name, open } = await pickRunner(undefined);
    await using model = await openModel(modelDirectory(), { runner: open });
    const message = await model.chat({ messages: [{ role: 'user', content: 'Hello' }], maxTokens: 32 }).message();
    return { what: 'answer', ok: message.content !== '', found: `${JSON.stringify(message.content)} on ${name}` };
  } catch (error) {
    return {
      what: 'answer',
      ok: false,
      found: errorBody(error).message,
      next:
        isMimoError(error) && error.hint !== undefined
          ? error.hint
          : 'report it with the output of mimokit doctor --json',
    };
  }
}
