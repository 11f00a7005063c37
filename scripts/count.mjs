// Adds up what ran (vitest's JSON files, cargo's closing lines, the checks) and prints `N passed, N failed` as the last line.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './bootstrap.mjs';

const total = { passed: 0, failed: 0 };
const folders = ['examples', ...readdirSync(join(root, 'packages')).map((name) => join('packages', name))];
for (const folder of folders) {
  const path = join(root, folder, '.results', 'vitest.json');
  if (!existsSync(path)) continue;
  const result = JSON.parse(readFileSync(path, 'utf8'));
  // A file that does not even load counts as one failure.
  const broken = result.testResults.filter(
    (file) => file.status === 'failed' && file.assertionResults.length === 0,
  ).length;
  add(folder, result.numPassedTests, result.numFailedTests + broken);
}
const cargo = join(root, '.cache', 'cargo-test.log');
if (existsSync(cargo)) {
  let passed = 0;
  let failed = 0;
  for (const [, ok, bad] of readFileSync(cargo, 'utf8').matchAll(/^test result: .*? (\d+) passed; (\d+) failed/gm)) {
    passed += Number(ok);
    failed += Number(bad);
  }
  add('crates', passed, failed);
}
const checks = JSON.parse(readFileSync(join(root, '.cache', 'check.json'), 'utf8'));
add('checks', checks.filter(({ passed }) => passed).length, checks.filter(({ passed }) => !passed).length);

// A command that broke before it could count is a failure too.
const broken = process.argv.slice(2).filter((code) => code !== '0').length;
if (broken > 0 && total.failed === 0) total.failed = broken;
console.log(`\n${total.passed} passed, ${total.failed} failed`);
process.exit(total.failed === 0 ? 0 : 1);

function add(name, passed, failed) {
  console.log(`${name.padEnd(24)} ${String(passed).padStart(5)} passed ${String(failed).padStart(3)} failed`);
  total.passed += passed;
  total.failed += failed;
}
