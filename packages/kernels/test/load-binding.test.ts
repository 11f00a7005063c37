// Which file is loaded, and what is said when there is none. Each case runs in a process of its own: a binding is loaded once.
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { fixturePath } from '@mimokit/fixtures';
import { expect, test } from 'vitest';

const source = fileURLToPath(new URL('../src/index.ts', import.meta.url));

function run(code: string, env: Record<string, string>): string {
  const script = `import { isNativeAvailable, openNativeRunner } from ${JSON.stringify(source)};\n${code}`;
  const args = ['--conditions=mimokit-source', '--input-type=module', '-e', script];
  return execFileSync(process.execPath, args, { env: { ...process.env, ...env }, encoding: 'utf8' });
}

const tell = `await openNativeRunner('x').catch((e) => console.log([e.name, e.code, e.message, e.hint].join('|')));`;

test('MIMOKIT_BINDING comes first; a file that is not there is named, with what to do', () => {
  const said = run(`console.log(isNativeAvailable()); ${tell}`, { MIMOKIT_BINDING: '/nowhere/mimokit.node' });
  expect(said).toMatch(/^false\nMimoError\|native-not-found\|No MimoKit binary for [a-z0-9-]+\.\n {2}Looked for: /);
  expect(said).toContain('MIMOKIT_BINDING=/nowhere/mimokit.node (not there)');
  expect(said).toContain('|Point MIMOKIT_BINDING at');
});

test('a file that is no binary is named', () => {
  const said = run(tell, { MIMOKIT_BINDING: fixturePath('fp8', 'e4m3_table.json') });
  expect(said).toContain('native-not-found');
  expect(said).toContain('it is not a MimoKit binary');
});

test('an unset variable finds the binary beside the package', () => {
  expect(run('console.log(isNativeAvailable())', { MIMOKIT_BINDING: '' })).toBe('true\n');
});
