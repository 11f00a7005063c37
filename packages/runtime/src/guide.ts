// What has to come next in an answer: ids that are given instead of drawn, ids that may be drawn, ids that may not. A guide
// decides, this file lets the engine obey; what guides a chat is chat-guide.ts. Why so: docs/decisions/0005-forced-ids.md.
import { type GenerateRequest, MimoError } from '@mimokit/protocol';
import { remainingTokens, type Sequence, type SequenceRequest, type SparseBias } from './sequence.ts';

/**
 * `allow`: the next id is one of these. A single one is not drawn but given: it costs no step of its own. `ban`: it is none
 * of these. Given ids count as ids of the answer in every way; their log-probability is 0, and no rivals are listed.
 */
export type Demand = { readonly allow: readonly number[] } | { readonly ban: readonly number[] };

/**
 * A function of the answer so far, as an immutable object: looking ahead along drafts must not change it. The very same
 * `demand` object as before says that nothing changed, so that drafts may go on.
 */
export interface Guide {
  /** Of the next id; undefined: the model is free. */
  readonly demand: Demand | undefined;
  /** The guide of the answer with one more id, drawn or given. */
  after(id: number): Guide;
}

/** A request whose answer is guided. Ids depend on request and guide only, as without one. */
export interface GuidedRequest extends GenerateRequest {
  guide?: Guide | undefined;
}

/**
 * Tells the guide of the answer's newest ids and returns those that it gives next, at most as many as may still follow. Sets
 * the bias of the next draw. Throws `invalid-argument` or `token-out-of-range` for an impossible demand.
 */
export function follow(sequence: Sequence, ids: readonly number[], vocabSize: number): number[] {
  let { guide } = sequence;
  if (guide === undefined) return [];
  const before = guide.demand;
  for (const id of ids) guide = guide.after(id);
  const given: number[] = [];
  for (const room = remainingTokens(sequence); given.length < room;) {
    const id = givenBy(guide.demand);
    if (id === undefined) break;
    checkId(id, vocabSize);
    given.push(id);
    guide = guide.after(id);
  }
  sequence.guide = guide;
  // Before the first id there is no demand yet that the bias would stand for.
  if (guide.demand !== before || sequence.emitted === 0) {
    sequence.bias = guidedBias(sequence.request, guide.demand, vocabSize);
  }
  return given;
}

/** How many of the drafts may be verified: the demand must not change behind one of them, since a step has one bias. */
export function draftsUnderDemand(guide: Guide | undefined, drafts: readonly number[]): number {
  if (guide === undefined) return drafts.length;
  const { demand } = guide;
  let next = guide;
  for (const [index, draft] of drafts.entries()) {
    next = next.after(draft);
    if (next.demand !== demand) return index;
  }
  return drafts.length;
}

/** The request's bias, with minus infinity for what the demand rules out. */
function guidedBias(request: SequenceRequest, demand: Demand | undefined, vocabSize: number): SparseBias {
  const { bias } = request;
  if (demand === undefined) return bias;
  const wishes = new Map(Array.from(bias.ids, (id, index) => [id, bias.values[index]]));
  if ('ban' in demand) {
    for (const id of demand.ban) wishes.set(checkId(id, vocabSize), -Infinity);
    const ids = Int32Array.from(wishes.keys()).sort();
    return { ids, values: Float32Array.from(ids, (id) => wishes.get(id)!) };
  }
  if (demand.allow.length === 0) throw new MimoError('invalid-argument', 'A guide allows no id at all.');
  const isAllowed = new Uint8Array(vocabSize);
  for (const id of demand.allow) isAllowed[checkId(id, vocabSize)] = 1;
  const ids = new Int32Array(vocabSize);
  const values = new Float32Array(vocabSize).fill(-Infinity);
  let count = 0;
  for (let id = 0; id < vocabSize; id++) {
    const wish = isAllowed[id] === 1 ? wishes.get(id) : -Infinity;
    if (wish === undefined) continue;
    ids[count] = id;
    values[count++] = wish;
  }
  return { ids: ids.subarray(0, count), values: values.subarray(0, count) };
}

/** The only id that a demand leaves. */
export function givenBy(demand: Demand | undefined): number | undefined {
  return demand !== undefined && 'allow' in demand && demand.allow.length === 1 ? demand.allow[0] : undefined;
}

function checkId(id: number, vocabSize: number): number {
  if (Number.isInteger(id) && id >= 0 && id < vocabSize) return id;
  throw new MimoError(
    'token-out-of-range',
    `A guide asks for id ${id}; the vocabulary has ids 0 to ${vocabSize - 1}.`,
    {
      id,
    },
  );
}
