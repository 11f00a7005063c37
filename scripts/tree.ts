// The source files of the repository, for the checkers.
import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root: string = dirname(dirname(fileURLToPath(import.meta.url)));

const skipped = /[\\/](node_modules|dist|target|\.[^\\/]+|unpacked|data|npm)[\\/]/;

/** Files below a folder whose names end in one of `endings`, sorted; built and installed ones left out. */
export function sourcesBelow(folder: string, endings: readonly string[]): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && endings.some((ending) => entry.name.endsWith(ending)))
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => !skipped.test(path.slice(root.length)))
    .sort();
}
