// Runs the laws for a time: `node --conditions=mimokit-source scripts/fuzz.ts parser|template SECONDS`. What breaks a law is
// shrunk, printed and kept in test/corpus, where every test run tries it again; what is no JSON is only printed.
import { readFileSync, writeFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { parserLaws, templateLaws } from '../test/laws.ts';
import { anyMessages, anyTools, cuts, options, output } from '../test/outputs.ts';

const [target = 'parser', seconds = '20'] = process.argv.slice(2);
const corpus = new URL(`../test/corpus/${target === 'parser' ? 'outputs' : 'conversations'}.json`, import.meta.url);
let runs = 0;
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
  runs += result.numRuns;
  console.log(`${target}: ${name}: ${result.numRuns} runs${result.failed ? ', FAILED' : ''}`);
  if (!result.failed) continue;
  console.log(fc.stringify(result.counterexample), result.errorInstance);
  const [first, second] = result.counterexample as [unknown, unknown];
  const found = target === 'parser' ? first : { messages: first, tools: second };
  if (isDeepStrictEqual(JSON.parse(JSON.stringify(found)), found)) {
    const kept = JSON.parse(readFileSync(corpus, 'utf8')) as unknown[];
    writeFileSync(corpus, `${JSON.stringify([...kept, found], null, 1)}\n`);
  }
  process.exitCode = 1;
}
console.log(`${runs} runs in all`);
