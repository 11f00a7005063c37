// StepResult → the sequences: commit, ids, log-probabilities, routes, next drafts, end. The only place that reads a result.
import {
  type GenerateEvent,
  MimoError,
  type ModelInfo,
  none,
  type StepResult,
  type TokenLogprob,
} from '@mimokit/protocol';
import type { FinishReason } from '@mimokit/protocol';
import type { DraftPolicy } from './draft/policy.ts';
import type { KvManager } from './kv/kv-manager.ts';
import type { PlacedRow } from './placement.ts';
import type { Sequence } from './sequence.ts';
import { follow } from './guide.ts';
import { answerPart, usefulDrafts } from './stop.ts';

/** What a step did to one row. */
export interface AppliedRow {
  row: PlacedRow;
  /** Drafts that came true. */
  accepted: number;
  /** Ids handed out. */
  emitted: number;
  /** Set when the answer is complete. */
  reason: FinishReason | undefined;
}

type Routes = Uint8Array | Uint16Array;

/** Throws `runner-failed` when the result cannot belong to these rows; nothing was changed then. */
export function checkResult(rows: readonly PlacedRow[], result: StepResult, info: ModelInfo): void {
  const fail = (what: string): never => {
    throw new MimoError('runner-failed', `The runner answered a step of ${rows.length} rows with ${what}.`, {
      hint: 'Run the runner conformance suite of @mimokit/protocol/testing against it.',
    });
  };
  const { tokenStart, draftStart, tokens } = result;
  if (tokenStart.length !== rows.length + 1 || draftStart.length !== rows.length + 1) fail('lists of another length');
  rows.forEach(({ samples, draftLen, draftNext }, index) => {
    const count = tokenStart[index + 1] - tokenStart[index];
    if (samples ? count < 1 || count > draftLen + 1 : count !== 0) fail(`${count} ids in row ${index}`);
    const drafts = draftStart[index + 1] - draftStart[index];
    if (drafts < 0 || drafts > draftNext) fail(`${drafts} drafts in row ${index}`);
  });
  for (const id of tokens) if (id < 0 || id >= info.vocabSize) fail(`id ${id}, not in the vocabulary`);
}

/** Commits and emits, row by row. */
export function applyResult(
  rows: readonly PlacedRow[],
  result: StepResult,
  parts: { kv: KvManager; drafts: DraftPolicy; info: ModelInfo },
): AppliedRow[] {
  const logprobs = logprobReader(result);
  const routes = routeReader(result, parts.info);
  return rows.map((row, index) => {
    const { sequence, samples, draftLen } = row;
    const { request } = sequence;
    const ids = Array.from(result.tokens.subarray(result.tokenStart[index], result.tokenStart[index + 1]));
    const accepted = samples ? ids.length - 1 : 0;
    const committed = row.end - draftLen + accepted;
    const rowLogprobs = request.topLogprobs > 0 ? logprobs(ids, request.topLogprobs) : undefined;
    const rowRoutes = request.wantRoutes ? routes(row, committed) : undefined;

    for (const id of ids) sequence.tokens.push(id);
    parts.kv.commit(sequence, committed);
    if (committed > sequence.furthest) {
      sequence.furthest = committed;
      sequence.losses = 0;
    }
    if (row.saveWindow !== none) parts.kv.settleSave(sequence, row.saveWindow, true);
    // An unfinished chunk leaves no drafts behind and asks for none.
    sequence.drafts = [];
    if (draftLen > 0) parts.drafts.observe({ proposed: draftLen, accepted });
    if (sequence.aborted) return { row, accepted, emitted: 0, reason: undefined };
    if (request.wantProgress && sequence.emitted === 0) {
      const promptTokens = request.prompt.length;
      const processedTokens = Math.min(committed, promptTokens);
      const { cachedTokens } = sequence;
      sequence.stream.push({ type: 'prompt-progress', processedTokens, promptTokens, cachedTokens });
    }

    const { answer, drawn, reason } = samples
      ? extend(sequence, ids, parts.info)
      : { answer: [], drawn: 0, reason: undefined };
    if (reason === undefined && answer.length === ids.length) {
      const proposals = result.drafts.subarray(result.draftStart[index], result.draftStart[index + 1]);
      sequence.drafts = usefulDrafts(sequence, proposals);
    }
    if (answer.length > 0 || rowRoutes !== undefined) {
      const event: GenerateEvent & { type: 'tokens' } = { type: 'tokens', ids: answer };
      if (rowLogprobs !== undefined) {
        event.logprobs = [...rowLogprobs.slice(0, drawn), ...answer.slice(drawn).map(certain)];
      }
      if (rowRoutes !== undefined) event.routes = rowRoutes;
      sequence.stream.push(event);
    }
    return { row, accepted, emitted: answer.length, reason };
  });
}

/**
 * The answer grows by the ids drawn, which `tokens` has already, and by those that the guide gives then: prompt or not, they
 * are tokens that were not run yet, and the formula of the row catches up.
 */
export function extend(
  sequence: Sequence,
  ids: readonly number[],
  info: ModelInfo,
): { answer: number[]; drawn: number; reason: FinishReason | undefined } {
  const { count, reason } = answerPart(sequence, ids);
  if (count > 0 && sequence.emitted > 0) sequence.acceptLengths.push(count);
  const answer = ids.slice(0, count);
  sequence.emitted += count;
  const given = reason === undefined ? follow(sequence, answer, info.vocabSize) : [];
  const more = given.length > 0 ? answerPart(sequence, given) : { count: 0, reason };
  for (const id of given.slice(0, more.count)) {
    sequence.tokens.push(id);
    answer.push(id);
  }
  sequence.emitted += more.count;
  for (const id of answer) sequence.counts?.add(id);
  return { answer, drawn: count, reason: more.reason };
}

/** What was given was not drawn: nothing else could come. */
export function certain(id: number): TokenLogprob {
  return { id, logprob: 0, rivals: [] };
}

/** Reads the flat log-probabilities row after row. */
function logprobReader(result: StepResult): (ids: readonly number[], rivals: number) => TokenLogprob[] {
  let at = 0;
  let rivalAt = 0;
  return (ids, rivals) =>
    ids.map((id) => {
      const logprob = result.logprobs![at++];
      const list: { id: number; logprob: number }[] = [];
      for (let index = 0; index < rivals; index++) {
        list.push({ id: result.rivals![rivalAt++], logprob: result.logprobs![at++] });
      }
      return { id, logprob, rivals: list };
    });
}

/** Reads the flat routes row after row; hands out those of committed positions that were not handed out before. */
function routeReader(result: StepResult, info: ModelInfo): (row: PlacedRow, committed: number) => Routes | undefined {
  const width = info.moeLayers * info.topK;
  let at = 0;
  return ({ sequence, start, end }, committed) => {
    const from = Math.max(start, sequence.routedLen);
    const part =
      committed > from
        ? result.routes!.slice(at + (from - start) * width, at + (committed - start) * width)
        : undefined;
    at += (end - start) * width;
    sequence.routedLen = Math.max(sequence.routedLen, committed);
    return part;
  };
}
