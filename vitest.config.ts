// The one vitest configuration: every package runs it from its own folder, against the sources of the others.
import { defineConfig } from 'vitest/config';

export default defineConfig({
  resolve: { conditions: ['mimokit-source', 'module', 'import', 'default'] },
  ssr: { resolve: { conditions: ['mimokit-source', 'module', 'import', 'default'] } },
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts', '*.test.ts'],
    reporters: ['default', 'json'],
    outputFile: { json: '.results/vitest.json' },
    testTimeout: 120_000,
    hookTimeout: 120_000,
    pool: 'forks',
    maxWorkers: 2,
  },
});
