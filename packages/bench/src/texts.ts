// The texts the tokenizer reads: from packages that are installed anyway, or from a folder of one's own.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

export type Language = 'en' | 'code' | 'ko' | 'zh';

const lib = join(createRequire(import.meta.url).resolve('typescript'), '..');
const own = process.env['MIMOKIT_BENCH_TEXTS'];

/** About 200 to 600 KB of one kind of text. */
export function text(language: Language): string {
  if (own !== undefined) return readFileSync(join(own, `${language}.txt`), 'utf8').slice(0, 600_000);
  switch (language) {
    case 'en':
      return prose().slice(0, 400_000);
    case 'code':
      return code().slice(0, 600_000);
    case 'ko':
      return messages('ko');
    case 'zh':
      return messages('zh-cn');
  }
}

/** Text of the same kinds that is not measured: what the code is compiled on. */
export function warmUpText(): string {
  return (
    code().slice(3_000_000, 3_300_000) +
    prose().slice(400_000, 600_000) +
    messages('ja') +
    messages('ru') +
    messages('zh-tw')
  );
}

function code(): string {
  return readFileSync(join(lib, 'typescript.js'), 'utf8');
}

/** The comments of lib.dom.d.ts without their markers and links. */
function prose(): string {
  const lines: string[] = [];
  for (const line of readFileSync(join(lib, 'lib.dom.d.ts'), 'utf8').split('\n')) {
    const comment = line.trim();
    if (!comment.startsWith('*') && !comment.startsWith('/**')) continue;
    if (comment.includes('[MDN Reference]') || comment === '*/' || comment === '/**' || comment === '*') continue;
    lines.push(comment.startsWith('/**') ? comment.slice(3) : comment.slice(2));
  }
  return lines.join('\n');
}

function messages(locale: string): string {
  const file = join(lib, locale, 'diagnosticMessages.generated.json');
  const byKey = JSON.parse(readFileSync(file, 'utf8')) as Record<string, string>;
  return Object.values(byKey).join('\n');
}
