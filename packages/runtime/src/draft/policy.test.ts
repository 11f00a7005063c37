import { describe, expect, test } from 'vitest';
import { Acceptance } from './acceptance.ts';
import { adaptiveDraftDepth, fixedDraftDepth } from './policy.ts';

const one = { rows: 1, maxDraft: 3 };

describe('the adaptive depth', () => {
  const after = (accepted: number, rounds = 200) => {
    const policy = adaptiveDraftDepth();
    for (let round = 0; round < rounds; round++) policy.observe({ proposed: 3, accepted });
    return policy;
  };

  test('goes to the limit when drafts come true, and never beyond', () => {
    expect(after(3).depth(one)).toBe(3);
    expect(after(3).depth({ rows: 1, maxDraft: 1 })).toBe(1);
    expect(after(3).depth({ rows: 1, maxDraft: 0 })).toBe(0);
  });

  test('starts with drafts before anything is known', () => {
    expect(adaptiveDraftDepth().depth(one)).toBeGreaterThan(0);
  });

  test('stops drafting when none comes true, but tries again now and then', () => {
    const policy = after(0);
    const depths = Array.from({ length: 64 }, () => policy.depth(one));
    expect(depths.filter((depth) => depth === 0)).toHaveLength(60);
    expect(depths.filter((depth) => depth === 1)).toHaveLength(4);
  });

  test('comes back when the text becomes predictable', () => {
    const policy = after(0);
    for (let round = 0; round < 60; round++) policy.observe({ proposed: 1, accepted: 1 });
    expect(policy.depth(one)).toBe(3);
  });

  test('drafts less in a busy step', () => {
    const policy = adaptiveDraftDepth();
    expect(policy.depth({ rows: 64, maxDraft: 3 })).toBe(0);
  });
});

test('a fixed depth is fixed, and must be a count', () => {
  expect(fixedDraftDepth(2).depth(one)).toBe(2);
  expect(() => fixedDraftDepth(-1)).toThrow(/depth/);
});

test('acceptance counts steps that verified, and drafts up to the first wrong one', () => {
  const acceptance = new Acceptance();
  expect(acceptance.meanAcceptLength).toBe(1);
  acceptance.observe({ proposed: 0, accepted: 0 });
  acceptance.observe({ proposed: 3, accepted: 3 });
  acceptance.observe({ proposed: 3, accepted: 0 });
  expect(acceptance).toMatchObject({ verified: 2, proposed: 6, accepted: 3, meanAcceptLength: 2.5 });
});
