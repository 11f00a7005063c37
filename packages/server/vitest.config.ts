// The repository's configuration, with the workspace's packages named one by one instead of by the `source` condition: some of
// the SDKs tested here have such a condition of their own, for files that Node does not load from node_modules.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { defineConfig } from 'vitest/config';
import root from '../../vitest.config.ts';

interface Manifest {
  name: string;
  exports?: Record<string, string | { source?: string }>;
}

const packages = join(import.meta.dirname, '..');
const alias = readdirSync(packages).flatMap((folder) => {
  let manifest: Manifest;
  try {
    manifest = JSON.parse(readFileSync(join(packages, folder, 'package.json'), 'utf8')) as Manifest;
  } catch {
    return [];
  }
  return Object.entries(manifest.exports ?? {}).flatMap(([path, target]) => {
    if (typeof target === 'string' || target.source === undefined) return [];
    const name = join(manifest.name, path);
    return [{ find: new RegExp(`^${name}$`), replacement: join(packages, folder, target.source) }];
  });
});

export default defineConfig({ test: { ...root.test, root: import.meta.dirname }, resolve: { alias } });
