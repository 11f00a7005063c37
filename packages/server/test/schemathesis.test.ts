// schemathesis (`pip install schemathesis`) against our OpenAPI document and server, where it is installed: thousands of bodies,
// valid and not, and every method. `MIMOKIT_SCHEMATHESIS` names its program, else `schemathesis` on the path.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { openServer } from '../src/node.ts';
import { openNano } from './nano.ts';

const seconds = Number(process.env['MIMOKIT_SCHEMATHESIS_SECONDS'] ?? 40);
/**
 * What is wrong whatever the input: a 5xx, a status or a content type the document does not name, an answer not of its shape,
 * a method let through. Whether valid data is taken depends on more than schemas say (a tool_choice needs tools).
 */
const checks = [
  'not_a_server_error',
  'status_code_conformance',
  'content_type_conformance',
  'response_schema_conformance',
  'unsupported_method',
];
const program =
  process.env['MIMOKIT_SCHEMATHESIS'] ??
  (process.env['PATH'] ?? '')
    .split(delimiter)
    .map((folder) => join(folder, 'schemathesis'))
    .find((file) => existsSync(file));

test.skipIf(program === undefined)(
  program === undefined
    ? 'is not run: schemathesis is not on the path; MIMOKIT_SCHEMATHESIS may name it'
    : 'schemathesis finds nothing',
  async () => {
    await using model = await openNano();
    const errors: unknown[] = [];
    await using server = await openServer({
      models: [model],
      port: 0,
      limits: { maxTokens: 4 },
      onError: (error) => errors.push(error),
    });
    const args = ['run', `${server.url}/openapi.json`, '--url', server.url, '--phases', 'coverage,fuzzing'];
    const limits = ['--checks', checks.join(','), '--max-time', String(seconds), '--no-color'];
    const run = promisify(execFile)(program!, [...args, ...limits, '--generation-deterministic'], {
      cwd: tmpdir(),
      maxBuffer: 64 * 2 ** 20,
    });
    const { code, stdout } = await run.then(
      (done) => ({ code: 0, stdout: done.stdout }),
      (error: { code: unknown; stdout: string }) => error,
    );
    expect([code, code === 0 ? '' : stdout.slice(-6000)]).toEqual([0, '']);
    const generated = /(\d+) generated/.exec(stdout)?.[1];
    expect(Number(generated)).toBeGreaterThan(200);
    expect(errors).toEqual([]);
  },
  (seconds + 120) * 1000,
);
