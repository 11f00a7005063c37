// A ModelRunner in plain TypeScript, from files in memory: browser-safe. Directories are in /node.
export type { CheckpointFiles } from './checkpoint.ts';
export { createJsRunner } from './runner.ts';
