// Compares every family with npm `tokenizers` over generated text: ids, count, decoded text. Prints the first difference of
// each kind: `node --conditions=mimokit-source scripts/compare.ts [characters] [seed] [family...]`.
import { Tokenizer as Reference } from 'tokenizers';
import { createTokenizer } from '../src/index.ts';
import { loadMimoTokenizer } from '../src/mimo.ts';
import { randomNumbers, randomText } from '../test/random-text.ts';
import { vocabularies } from '../test/vocabularies.ts';

const [, , characters = '200000', seed = '1', ...families] = process.argv;
const chunk = 2000;
let failures = 0;
for (const family of families.length > 0 ? families : Object.keys(vocabularies)) {
  const json = vocabularies[family]();
  const reference = Reference.fromString(json);
  const tokenizer = family === 'mimo' ? await loadMimoTokenizer() : createTokenizer(json);
  const next = randomNumbers(Number(seed));
  let done = 0;
  let tokens = 0;
  let differences = 0;
  while (done < Number(characters)) {
    const text = randomText(next, chunk);
    done += text.length;
    const wanted = (await reference.encode(text, null, { addSpecialTokens: false })).getIds();
    const ids = tokenizer.encode(text);
    tokens += ids.length;
    const isSame = wanted.length === ids.length && wanted.every((id, i) => ids[i] === id);
    const decoded = tokenizer.decode(ids);
    const isDecoded = decoded === (await reference.decode(wanted, false));
    if (isSame && isDecoded && tokenizer.count(text) === ids.length) continue;
    if (differences++ > 2) continue;
    const at = wanted.findIndex((id, i) => ids[i] !== id);
    const near = (list: ArrayLike<number>): string =>
      Array.from(list)
        .slice(Math.max(0, at - 3), at + 6)
        .map((id) => `${id}=${JSON.stringify(tokenizer.decode([id]))}`)
        .join(' ');
    process.stdout.write(
      `${family}: ids ${isSame}, decode ${isDecoded}, at ${at}\n  wanted ${near(wanted)}\n  got    ${near(ids)}\n`,
    );
  }
  failures += differences;
  process.stdout.write(`${family}: ${done} characters, ${tokens} ids, ${differences} texts differ\n`);
}
process.exitCode = failures === 0 ? 0 : 1;
