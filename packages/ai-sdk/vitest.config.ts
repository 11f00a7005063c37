// The shared configuration, but `ai` and what it imports go through vite: eventsource-parser's `source` condition is
// TypeScript, which Node does not read below node_modules.
import { defineConfig, mergeConfig } from 'vitest/config';
import shared from '../../vitest.config.ts';

export default mergeConfig(
  shared,
  defineConfig({ test: { server: { deps: { inline: [/@ai-sdk/, /node_modules\/ai\//, /eventsource-parser/] } } } }),
);
