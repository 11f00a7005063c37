// The one shape of a result, in every `results/<name>.json`; also what the Rust benches print.

export interface BenchRow {
  /** The goal this row decides, C1 … G14; absent on rows that decide none. */
  goal?: string;
  /** What ran. */
  op: string;
  /** On what: text, sizes, conditions. */
  shape: string;
  value: number;
  unit: string;
  /** What must be reached: by `ratio` where there is a peer, else by `fraction` where there is a bound, else by `value`. */
  target?: number;
  met?: boolean;
  /** The value a perfect implementation would reach on this machine, in `unit`; null where none is known. */
  bound: number | null;
  /** How much of the bound was reached. */
  fraction: number | null;
  peer: string | null;
  /** How many times better than the peer. */
  ratio: number | null;
  machine: string;
  date: string;
}

/** What a row must say; machine and date are added when it is written. */
export type BenchResult = Pick<BenchRow, 'op' | 'shape' | 'value' | 'unit'> &
  Partial<Pick<BenchRow, 'goal' | 'target' | 'bound' | 'peer' | 'ratio'>> & {
    /** For targets that are limits from above, such as times. */
    atMost?: boolean;
    /** Half the distance between the quartiles, as a share of the median; for the table only. */
    spread?: number;
    /** What the bound is; for the table only. */
    boundName?: string;
  };

/** A complete row from a result. */
export function toRow(result: BenchResult, machine: string, date: string): BenchRow {
  const { goal, op, shape, value, unit, target, bound = null, peer = null, ratio = null, atMost = false } = result;
  const measured = ratio ?? (bound === null ? value : value / bound);
  return {
    ...(goal === undefined ? {} : { goal }),
    op,
    shape,
    value: round(value),
    unit,
    ...(target === undefined ? {} : { target, met: atMost ? measured <= target : measured >= target }),
    bound: bound === null ? null : round(bound),
    fraction: bound === null ? null : round(value / bound),
    peer,
    ratio: ratio === null ? null : round(ratio),
    machine,
    date,
  };
}

function round(value: number): number {
  return Number(value.toPrecision(4));
}
