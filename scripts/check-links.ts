// Links between the repository's own Markdown pages, and the paths they name, lead somewhere.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { root, sourcesBelow } from './tree.ts';

const problems: string[] = [];
const pages = [
  ...['README.md', 'CONTRIBUTING.md', 'SECURITY.md'].map((name) => join(root, name)),
  ...['docs', 'packages', 'examples', 'crates'].flatMap((folder) => sourcesBelow(join(root, folder), ['.md'])),
];
for (const page of pages) {
  const text = readFileSync(page, 'utf8').replaceAll(/```[\s\S]*?```/g, '');
  for (const [, target] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
    if (/^[a-z]+:/.test(target!) || target!.startsWith('#')) continue;
    const [path, anchor] = target!.split('#');
    const file = join(dirname(page), path!);
    if (!existsSync(file)) problems.push(`${relative(root, page)}: ${target} leads nowhere`);
    else if (anchor && file.endsWith('.md') && !anchorsOf(file).has(anchor)) {
      problems.push(`${relative(root, page)}: ${target} has no such heading`);
    }
  }
}

function anchorsOf(file: string): Set<string> {
  const headings = [...readFileSync(file, 'utf8').matchAll(/^#+\s+(.+)$/gm)];
  return new Set(
    headings.map(([, title]) =>
      title!
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
        .trim()
        .replaceAll(/\s/g, '-'),
    ),
  );
}

if (problems.length > 0) {
  console.error(problems.join('\n'));
  process.exit(1);
}
