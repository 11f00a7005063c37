// What the mock refuses: a batch whose lengths do not fit, indices out of range, two rows writing one block or window.
import { type KvCapacity, MimoError, type ModelInfo, none, type StepBatch } from '@mimokit/protocol';

/** Throws `batch-invalid` or `token-out-of-range` before anything is written. */
export function validateBatch(batch: StepBatch, info: ModelInfo, capacity: KvCapacity, maxDraft: number): void {
  const check = (isRight: boolean, what: string): void => {
    if (!isRight) throw new MimoError('batch-invalid', `The batch is invalid: ${what}.`);
  };
  const rows = batch.contextLen.length;
  check(rows > 0, 'no rows');
  const perRow = [batch.draftLen, batch.samples, batch.draftNext, batch.windows, batch.copyWindow, batch.saveWindow];
  for (const list of [...perRow, batch.seeds, batch.topLogprobs, batch.wantRoutes]) {
    check(list.length === rows, 'a list has another number of rows');
  }
  check(
    batch.copyBlock.length === rows * 2 && batch.sampling.length === rows * 7,
    'a table has another number of rows',
  );
  const starts: [Int32Array, number, string][] = [
    [batch.rowStart, batch.tokens.length, 'rowStart'],
    [batch.blockStart, batch.blockTable.length, 'blockStart'],
    [batch.biasStart, batch.biasIds.length, 'biasStart'],
    [batch.countStart, batch.countIds.length, 'countStart'],
  ];
  for (const [start, length, name] of starts) {
    check(start.length === rows + 1 && start[0] === 0 && start[rows] === length, `${name} does not span its list`);
    check(
      start.every((value, index) => index === 0 || value >= start[index - 1]),
      `${name} goes backwards`,
    );
  }
  check(batch.biasValues.length === batch.biasIds.length, 'bias lists differ in length');
  check(batch.countValues.length === batch.countIds.length, 'count lists differ in length');
  for (const id of batch.tokens) {
    if (id < 0 || id >= info.vocabSize)
      throw new MimoError('token-out-of-range', `Token ${id} is not in the vocabulary.`);
  }

  const readers = new Map<number, number>();
  for (const block of batch.blockTable) {
    check(block >= 0 && block < capacity.blocks, `block ${block} does not exist`);
    readers.set(block, (readers.get(block) ?? 0) + 1);
  }
  const windows = new Set<number>();
  const writes = (window: number): void => {
    check(window >= 0 && window < capacity.windows, `window ${window} does not exist`);
    check(!windows.has(window), `window ${window} is written twice`);
    windows.add(window);
  };
  for (let row = 0; row < rows; row++) {
    const tokens = batch.rowStart[row + 1] - batch.rowStart[row];
    const context = batch.contextLen[row];
    const drafts = batch.draftLen[row];
    check(tokens > 0 && context >= 0 && context + tokens <= info.contextLength, `row ${row} has an impossible length`);
    check(drafts >= 0 && drafts <= maxDraft && drafts < tokens, `row ${row} has ${drafts} drafts`);
    check(
      batch.samples[row] === 1 || (drafts === 0 && batch.draftNext[row] === 0),
      `row ${row} drafts but does not sample`,
    );
    check(
      batch.draftNext[row] >= 0 && batch.draftNext[row] <= maxDraft,
      `row ${row} wants ${batch.draftNext[row]} drafts`,
    );
    const blocks = batch.blockTable.subarray(batch.blockStart[row], batch.blockStart[row + 1]);
    check(
      blocks.length === Math.ceil((context + tokens) / capacity.blockTokens),
      `row ${row} has ${blocks.length} blocks`,
    );
    for (const block of blocks.subarray(Math.floor(context / capacity.blockTokens))) {
      check(readers.get(block) === 1, `block ${block} is written by one row and listed by another`);
    }
    writes(batch.windows[row]);
    if (batch.saveWindow[row] !== none) writes(batch.saveWindow[row]);
    const [from, to] = batch.copyBlock.subarray(row * 2, row * 2 + 2);
    check((from === none) === (to === none), `row ${row} copies half a block`);
    check(
      from === none || (from >= 0 && from < capacity.blocks && blocks.includes(to)),
      `row ${row} copies a wrong block`,
    );
    const source = batch.copyWindow[row];
    check(source === none || (source >= 0 && source < capacity.windows), `row ${row} copies window ${source}`);
  }
}
