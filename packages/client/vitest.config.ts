// The shared configuration, but the MCP client and its eventsource go through vite: eventsource's `source` condition is
// TypeScript, which Node does not read below node_modules.
import { defineConfig, mergeConfig } from 'vitest/config';
import shared from '../../vitest.config.ts';

export default mergeConfig(
  shared,
  defineConfig({ test: { server: { deps: { inline: ['@modelcontextprotocol/client', 'eventsource'] } } } }),
);
