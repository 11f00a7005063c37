// The one tsup configuration of all packages: ESM only, declarations beside the bundles, other packages stay imports.
import type { Options } from 'tsup';

/** A tsup configuration for a package whose public entries are `entries` (paths below src). */
export function library(entries: Record<string, string> = { index: 'src/index.ts' }, options: Options = {}): Options {
  return {
    entry: entries,
    format: 'esm',
    platform: 'neutral',
    target: 'es2023',
    splitting: true,
    clean: true,
    sourcemap: false,
    // Optional dependencies too: a bundled copy of the addon's loader would look in the wrong place.
    external: [/^@mimokit\//],
    // Other packages are read through their built declarations, as a user would read them.
    dts: { compilerOptions: { customConditions: [], noEmit: false, composite: false, incremental: false } },
    ...options,
  };
}
