// Test doubles and suites for users' own engines, schedulers and policies.
export { collect, type Collected } from './collect.ts';
export { type EngineLaw, engineLaws, type EngineLawOptions, type EngineUnderTest } from './engine-conformance.ts';
export { MockRunner, type MockOptions } from './mock-runner.ts';
export { plainIds, type PlainRequest } from './plain-run.ts';
