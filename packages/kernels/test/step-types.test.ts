// The types napi-rs makes from Rust are those of the protocol. Checked by `tsc --noEmit`: a difference is a type error here.
import type { KvCapacity, StepBatch, StepResult } from '@mimokit/protocol';
import { expect, test } from 'vitest';
import type * as Native from '../binding.d.cts';

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

test('StepBatch, StepResult and KvCapacity are the same on both sides of the boundary', () => {
  const batch: Equal<Native.StepBatch, StepBatch> = true;
  const result: Equal<Native.StepResult, StepResult> = true;
  const capacity: Equal<Native.KvCapacity, KvCapacity> = true;
  expect([batch, result, capacity]).toEqual([true, true, true]);
});
