// Test doubles and suites for users' own engines, schedulers and policies.
export { MockRunner, type MockOptions } from './mock-runner.ts';
