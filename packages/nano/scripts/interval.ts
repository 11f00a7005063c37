// How sure a measured share or mean is: 95% intervals.

interface Share {
  hits: number;
  total: number;
  share: number;
  /** Wilson's interval, which stays inside [0, 1] and is right for shares near 1. */
  interval: readonly [number, number];
}

const z = 1.959964;

export function share(hits: number, total: number): Share {
  if (total === 0) return { hits, total, share: 0, interval: [0, 1] };
  const p = hits / total;
  const middle = (p + (z * z) / (2 * total)) / (1 + (z * z) / total);
  const half = (z / (1 + (z * z) / total)) * Math.sqrt((p * (1 - p)) / total + (z * z) / (4 * total * total));
  return { hits, total, share: p, interval: [Math.max(0, middle - half), Math.min(1, middle + half)] };
}

interface Mean {
  total: number;
  mean: number;
  interval: readonly [number, number];
}

export function mean(values: readonly number[]): Mean {
  const total = values.length;
  const average = values.reduce((sum, value) => sum + value, 0) / total;
  const variance = values.reduce((sum, value) => sum + (value - average) ** 2, 0) / Math.max(1, total - 1);
  const half = z * Math.sqrt(variance / total);
  return { total, mean: average, interval: [average - half, average + half] };
}
