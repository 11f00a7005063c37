// Collects figures with their 95% intervals and prints one line for each.
import { mean, share } from './interval.ts';

export type Interval = readonly [number, number];

export class Report {
  readonly figures: Record<string, number> = {};
  readonly intervals: Record<string, Interval> = {};

  share(name: string, list: readonly boolean[]): void {
    const { total, share: value, interval } = share(list.filter(Boolean).length, list.length);
    if (total > 0) this.add(name, `of ${total}`, value, interval, (part) => `${(part * 100).toFixed(1)}%`);
  }

  mean(name: string, list: readonly number[]): void {
    const { total, mean: value, interval } = mean(list);
    this.add(name, `of ${total}`, value, interval, (part) => part.toFixed(3));
  }

  add(name: string, base: string, value: number, interval: Interval, show: (value: number) => string): void {
    this.figures[name] = Number(value.toFixed(4));
    this.intervals[name] = [Number(interval[0].toFixed(4)), Number(interval[1].toFixed(4))];
    const range = `[${show(interval[0])}, ${show(interval[1])}]`;
    console.log(`${name.padEnd(18)} ${show(value).padStart(7)}  ${range}  ${base}`);
  }
}
