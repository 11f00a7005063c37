// Validation of a StepBatch, whole, before anything is written: after it every index can be used without a look.
import { MimoError, none, type StepBatch } from '@mimokit/protocol';

export interface BatchLimits {
  vocabSize: number;
  contextLength: number;
  maxDraft: number;
  blockTokens: number;
  blocks: number;
  windows: number;
}

function invalid(message: string, values: Record<string, unknown> = {}): never {
  throw new MimoError('batch-invalid', message, values);
}

/** Numbers of one row's sampling table in StepBatch.sampling. */
export const samplingWidth = 7;

/** Throws `batch-invalid`, `token-out-of-range` or `context-overflow`, naming row and field. Returns the number of rows. */
export function validateBatch(batch: StepBatch, limits: BatchLimits): number {
  const rows = batch.contextLen.length;
  const lengths: [keyof StepBatch, number][] = [
    ['draftLen', rows],
    ['samples', rows],
    ['draftNext', rows],
    ['windows', rows],
    ['copyWindow', rows],
    ['saveWindow', rows],
    ['copyBlock', 2 * rows],
    ['sampling', samplingWidth * rows],
    ['seeds', rows],
    ['topLogprobs', rows],
    ['wantRoutes', rows],
    ['biasValues', batch.biasIds.length],
    ['countValues', batch.countIds.length],
  ];
  for (const [field, length] of lengths) {
    if (batch[field].length !== length)
      invalid(`${field} has ${batch[field].length} entries; expected ${length}.`, { field });
  }
  checkStarts('rowStart', batch.rowStart, rows, batch.tokens.length);
  checkStarts('blockStart', batch.blockStart, rows, batch.blockTable.length);
  checkStarts('biasStart', batch.biasStart, rows, batch.biasIds.length);
  checkStarts('countStart', batch.countStart, rows, batch.countIds.length);
  checkIds('tokens', batch.tokens, limits.vocabSize);
  checkIds('biasIds', batch.biasIds, limits.vocabSize);
  checkIds('countIds', batch.countIds, limits.vocabSize);
  if (batch.biasValues.some((value) => Number.isNaN(value))) invalid('biasValues holds NaN.', { field: 'biasValues' });
  if (batch.countValues.some((value) => value < 0))
    invalid('countValues holds a negative count.', { field: 'countValues' });
  batch.blockTable.forEach((block, index) => {
    if (block < 0 || block >= limits.blocks)
      invalid(`blockTable[${index}] is ${block}; there are ${limits.blocks} blocks.`, { field: 'blockTable' });
  });
  for (let row = 0; row < rows; row++) {
    checkLengths(batch, row, limits);
    checkSampling(batch, row);
  }
  checkWindows(batch, rows, limits);
  checkBlocks(batch, rows, limits);
  return rows;
}

function checkStarts(field: string, starts: Int32Array, rows: number, end: number): void {
  if (starts.length !== rows + 1) invalid(`${field} has ${starts.length} entries; expected ${rows + 1}.`, { field });
  for (let row = 0; row <= rows; row++) {
    if (starts[row] < (row === 0 ? 0 : starts[row - 1]))
      invalid(`${field}[${row}] is ${starts[row]}: starts must not fall.`, { field, row });
  }
  if (starts[0] !== 0 || starts[rows] !== end)
    invalid(`${field} runs from ${starts[0]} to ${starts[rows]}; expected 0 to ${end}.`, { field });
}

function checkIds(field: string, ids: Int32Array, vocabSize: number): void {
  ids.forEach((id, index) => {
    if (id < 0 || id >= vocabSize) {
      throw new MimoError('token-out-of-range', `${field}[${index}] is ${id}; the vocabulary has ${vocabSize} ids.`, {
        field,
        index,
        id,
        vocabSize,
      });
    }
  });
}

function checkLengths(batch: StepBatch, row: number, limits: BatchLimits): void {
  const tokens = batch.rowStart[row + 1] - batch.rowStart[row];
  const contextLen = batch.contextLen[row];
  const drafts = batch.draftLen[row];
  if (tokens < 1) invalid(`Row ${row} has no tokens.`, { row });
  if (contextLen < 0) invalid(`Row ${row}: contextLen is ${contextLen}.`, { row, field: 'contextLen' });
  if (drafts < 0 || drafts > limits.maxDraft || drafts >= tokens) {
    invalid(
      `Row ${row}: draftLen is ${drafts} with ${tokens} tokens; at most ${limits.maxDraft} drafts, and one token before them.`,
      { row, field: 'draftLen' },
    );
  }
  if (drafts > 0 && batch.samples[row] === 0)
    invalid(`Row ${row} has drafts but does not sample.`, { row, field: 'samples' });
  const wanted = batch.draftNext[row];
  if (wanted < 0 || wanted > limits.maxDraft)
    invalid(`Row ${row}: draftNext is ${wanted}; the model drafts up to ${limits.maxDraft}.`, {
      row,
      field: 'draftNext',
    });
  if (contextLen + tokens - drafts > limits.contextLength) {
    throw new MimoError(
      'context-overflow',
      `Row ${row} ends at position ${contextLen + tokens - drafts}; the model holds ${limits.contextLength} tokens.`,
      {
        row,
        contextLength: limits.contextLength,
      },
    );
  }
  const needed = Math.ceil((contextLen + tokens) / limits.blockTokens);
  const given = batch.blockStart[row + 1] - batch.blockStart[row];
  if (given < needed)
    invalid(
      `Row ${row} writes up to position ${contextLen + tokens - 1} and needs ${needed} blocks; its table has ${given}.`,
      { row, field: 'blockTable' },
    );
}

const samplingNames = [
  'temperature',
  'topP',
  'topK',
  'minP',
  'repetition penalty',
  'frequency penalty',
  'presence penalty',
];
const samplingLow = [0, 0, 0, 0, Number.MIN_VALUE, -1e6, -1e6];
const samplingHigh = [1e6, 1, 0x7fffffff, 1, 1e6, 1e6, 1e6];

function checkSampling(batch: StepBatch, row: number): void {
  for (let index = 0; index < samplingWidth; index++) {
    const value = batch.sampling[row * samplingWidth + index];
    // A comparison that NaN fails. FP32 cannot hold 2^31 - 1, so topK may round up to 2^31.
    if (!(value >= samplingLow[index] && value <= Math.fround(samplingHigh[index]))) {
      invalid(`Row ${row}: ${samplingNames[index]} is ${value}.`, { row, field: 'sampling' });
    }
  }
}

/** No window is written twice, and no copy reads what another copy writes: the order of rows must not matter. */
function checkWindows(batch: StepBatch, rows: number, { windows }: BatchLimits): void {
  const written = new Set<number>();
  const write = (field: 'windows' | 'saveWindow', row: number): void => {
    const window = batch[field][row];
    if (window < 0 || window >= windows)
      invalid(`${field}[${row}] is ${window}; there are ${windows} windows.`, { row, field });
    if (written.has(window)) invalid(`Window ${window} is written twice in one step.`, { row, field, window });
    written.add(window);
  };
  for (let row = 0; row < rows; row++) write('windows', row);
  const copiedInto = new Set<number>();
  for (let row = 0; row < rows; row++) if (batch.copyWindow[row] !== none) copiedInto.add(batch.windows[row]);
  for (let row = 0; row < rows; row++) {
    const source = batch.copyWindow[row];
    if (source === none) continue;
    if (source < 0 || source >= windows)
      invalid(`copyWindow[${row}] is ${source}; there are ${windows} windows.`, { row, field: 'copyWindow' });
    if (copiedInto.has(source) && source !== batch.windows[row])
      invalid(`copyWindow[${row}]: window ${source} is itself copied into.`, { row, field: 'copyWindow' });
  }
  for (let row = 0; row < rows; row++) if (batch.saveWindow[row] !== none) write('saveWindow', row);
}

/** A block that a row writes belongs to that row alone; the target of a block copy is a block of its row. */
function checkBlocks(batch: StepBatch, rows: number, { blocks, blockTokens }: BatchLimits): void {
  const writer = new Map<number, number>();
  const used = (row: number): { from: number; end: number } => ({
    from: batch.blockStart[row] + Math.floor(batch.contextLen[row] / blockTokens),
    end:
      batch.blockStart[row] +
      Math.ceil((batch.contextLen[row] + batch.rowStart[row + 1] - batch.rowStart[row]) / blockTokens),
  });
  const claim = (block: number, row: number): void => {
    if (writer.has(block)) invalid(`Block ${block} is written twice in one step.`, { row, field: 'blockTable', block });
    writer.set(block, row);
  };
  for (let row = 0; row < rows; row++) {
    const { from, end } = used(row);
    for (let index = from; index < end; index++) claim(batch.blockTable[index], row);
  }
  for (let row = 0; row < rows; row++) {
    const { from } = used(row);
    for (let index = batch.blockStart[row]; index < from; index++) {
      if (writer.has(batch.blockTable[index]))
        invalid(`Row ${row} reads block ${batch.blockTable[index]} while it is written.`, { row, field: 'blockTable' });
    }
    const [source, target] = batch.copyBlock.subarray(2 * row, 2 * row + 2);
    if (source === none && target === none) continue;
    if (source < 0 || source >= blocks || target < 0 || target >= blocks)
      invalid(`copyBlock of row ${row} is ${source} to ${target}; there are ${blocks} blocks.`, {
        row,
        field: 'copyBlock',
      });
    if (!batch.blockTable.subarray(batch.blockStart[row], batch.blockStart[row + 1]).includes(target)) {
      invalid(`copyBlock of row ${row}: block ${target} is not in its table.`, { row, field: 'copyBlock' });
    }
  }
}
