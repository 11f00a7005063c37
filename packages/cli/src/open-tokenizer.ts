// `--tokenizer DIR|mimo` → a tokenizer.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MimoError } from '@mimokit/protocol';
import { createTokenizer, type Tokenizer } from '@mimokit/tokenizer';

/** The embedded MiMo vocabulary for `mimo`, else the tokenizer.json of a folder. */
export async function openTokenizer(source: string): Promise<Tokenizer> {
  if (source === 'mimo') {
    const { loadMimoTokenizer } = await import('@mimokit/tokenizer/mimo');
    return loadMimoTokenizer();
  }
  const file = join(source, 'tokenizer.json');
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    throw new MimoError('checkpoint-missing-file', `${file} cannot be read: ${(error as Error).message}`, {
      hint: 'Pass a folder with tokenizer.json, or --tokenizer mimo.',
      file,
    });
  }
  return createTokenizer(text);
}
