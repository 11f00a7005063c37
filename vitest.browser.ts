// For packages that browsers use: their tests run in Node, and the same tests in a headless Chromium through Playwright.
// CHROMIUM names the browser; without one the second half is skipped and says so.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { playwright } from '@vitest/browser-playwright';
import { defineConfig, type ViteUserConfig } from 'vitest/config';
import node from './vitest.config.ts';

const named = process.env['CHROMIUM'];
const browsers =
  named === undefined ? ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'] : [named];
const page = (name: string): string => fileURLToPath(new URL(`packages/fixtures/page/${name}.ts`, import.meta.url));

/** The configuration of a package whose tests run in pages too, but for `nodeOnly`: those that need what only Node has. */
export function nodeAndChromium(nodeOnly: readonly string[]): ViteUserConfig {
  const executablePath = browsers.find((path) => existsSync(path));
  if (executablePath === undefined)
    console.info('No Chromium found (CHROMIUM=/path/to/chromium): the tests in a browser are skipped.');
  const { reporters, outputFile, ...shared } = node.test ?? {};
  const inNode = { ...node, test: { ...shared, name: 'node' } };
  const inChromium: ViteUserConfig = {
    resolve: {
      ...node.resolve,
      alias: {
        'node:assert/strict': page('assert'),
        'node:fs': page('fs'),
        'node:path': page('path'),
        'node:url': page('path'),
      },
    },
    // What the tests themselves ask for.
    define: {
      'process.env': Object.fromEntries(Object.entries(process.env).filter(([key]) => key.startsWith('MIMOKIT_'))),
    },
    optimizeDeps: { include: ['fast-check'] },
    test: {
      ...shared,
      name: 'chromium',
      exclude: [...nodeOnly],
      browser: {
        enabled: true,
        headless: true,
        screenshotFailures: false,
        provider: playwright({ launchOptions: { executablePath } }),
        instances: [{ browser: 'chromium' }],
      },
    },
  };
  return defineConfig({
    test: { reporters, outputFile, projects: executablePath === undefined ? [inNode] : [inNode, inChromium] },
  });
}
