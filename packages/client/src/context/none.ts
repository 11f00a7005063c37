// No policy: a conversation that does not fit is refused, with the figures.
import type { ContextPolicy } from './policy.ts';

/** Sends every message, and lets what exceeds the budget be refused. */
export function keepEverything(): ContextPolicy {
  return { name: 'none', cuts: false, fit: async ({ messages }) => ({ messages, cuts: [] }) };
}
