// Runs the laws for a time: `node --conditions=mimokit-source scripts/fuzz.ts parser|template SECONDS`. A text that breaks a law of the
// parser is shrunk, printed and kept in test/corpus/outputs.json, where every test run tries it again.
import { readFileSync, writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { parserLaws, templateLaws } from '../test/laws.ts';
import { anyMessages, anyTools, cuts, options, output } from '../test/outputs.ts';

const [target = 'parser', seconds = '20'] = process.argv.slice(2);
const corpus = new URL('../test/corpus/outputs.json', import.meta.url);
const laws = target === 'parser' ? Object.keys(parserLaws) : Object.keys(templateLaws);

for (const name of laws) {
  const property =
    target === 'parser'
      ? fc.property(output, options, cuts, parserLaws[name]!)
      : fc.property(anyMessages, anyTools, templateLaws[name]!);
  const limit = (Number(seconds) * 1000) / laws.length;
  const result = fc.check(property as fc.IProperty<unknown[]>, {
    numRuns: Number.MAX_SAFE_INTEGER,
    interruptAfterTimeLimit: limit,
  });
  console.log(`${target}: ${name}: ${result.numRuns} runs${result.failed ? ', FAILED' : ''}`);
  if (!result.failed) continue;
  console.log(fc.stringify(result.counterexample), result.errorInstance);
  if (target === 'parser') {
    const kept = JSON.parse(readFileSync(corpus, 'utf8')) as unknown[];
    writeFileSync(corpus, `${JSON.stringify([...kept, result.counterexample![0]], null, 1)}\n`);
  }
  process.exitCode = 1;
}
