// Runs the laws of encoding and decoding for a time: `node --conditions=mimokit-source scripts/fuzz.ts SECONDS`. A text that breaks one is
// shrunk, printed and kept in test/corpus/texts.json, where every test run tries it again.
import { readFileSync, writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { sizes, textLaws, texts } from '../test/laws.ts';

const [seconds = '20'] = process.argv.slice(2);
const corpus = new URL('../test/corpus/texts.json', import.meta.url);
const laws = Object.entries(textLaws);
let runs = 0;

for (const [name, law] of laws) {
  const result = fc.check(fc.property(texts, sizes, law), {
    numRuns: Number.MAX_SAFE_INTEGER,
    interruptAfterTimeLimit: (Number(seconds) * 1000) / laws.length,
  });
  runs += result.numRuns;
  console.log(`${name}: ${result.numRuns} runs${result.failed ? ', FAILED' : ''}`);
  if (!result.failed) continue;
  console.log(fc.stringify(result.counterexample), result.errorInstance);
  const kept = JSON.parse(readFileSync(corpus, 'utf8')) as string[];
  // Escaped: an editor may not show, and may change, what breaks a law.
  const json = JSON.stringify([...kept, result.counterexample![0]], null, 1);
  writeFileSync(corpus, `${json.replace(/[\u007f-\uffff]/g, escaped)}\n`);
  process.exitCode = 1;
}
console.log(`${runs} runs in all`);

function escaped(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
