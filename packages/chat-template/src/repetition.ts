// Whether an answer has run into a loop: the same text again and again at its end. Reports, and leaves what to do to the
// caller. Linear in the text, bounded in memory, and the same report for every split.

export interface RepetitionOptions {
  /** Longest text whose repetition is found, in UTF-16 code units; default 512. */
  maxPeriod?: number;
  /** How often it must stand there in a row; default 8. */
  minRepeats?: number;
  /** How long the loop must be at least, in UTF-16 code units; default 1,024. Rulers and tables repeat too. */
  minLength?: number;
}

export interface Repetition {
  /** What repeats. */
  text: string;
  /** Length of the loop so far, as far back as is looked. */
  length: number;
  /** Offset in the answer where the loop was seen. */
  offset: number;
}

export interface RepetitionGuard {
  /** Takes the next piece of the answer; returns a loop when the answer ends in one, at most once per 256 code units. */
  push(text: string): Repetition | undefined;
}

const stride = 256;

/** A guard for one answer. Feed it reasoning and text alike: the deltas, or the raw output. */
export function createRepetitionGuard(options: RepetitionOptions = {}): RepetitionGuard {
  const { maxPeriod = 512, minRepeats = 8, minLength = 1024 } = options;
  const window = Math.max(maxPeriod * minRepeats, minLength);
  // Each look costs the window: as many looks as keep the cost per character constant.
  const every = Math.max(stride, Math.ceil(window / 16));
  const borders = new Int32Array(window + 1);
  let tail = '';
  let offset = 0;
  let next = every;
  return {
    push(text) {
      let found: Repetition | undefined;
      let from = 0;
      while (offset + text.length - from >= next) {
        const end = from + next - offset;
        tail = (tail + text.slice(from, end)).slice(-window);
        offset = next;
        next += every;
        from = end;
        found ??= loopAtEnd(tail, borders, { maxPeriod, minRepeats, minLength }, offset);
      }
      tail += text.slice(from);
      offset += text.length - from;
      return found;
    },
  };
}

/** The loop that ends the text: the prefix function of the reversed text gives every period of every tail. */
function loopAtEnd(
  text: string,
  borders: Int32Array,
  limits: Required<RepetitionOptions>,
  offset: number,
): Repetition | undefined {
  const last = text.length - 1;
  let best: { period: number; length: number } | undefined;
  borders[0] = -1;
  for (let length = 0, border = -1; length < text.length;) {
    while (border >= 0 && text.charCodeAt(last - length) !== text.charCodeAt(last - border)) border = borders[border]!;
    borders[++length] = ++border;
    const period = length - border;
    if (period <= limits.maxPeriod && length >= Math.max(limits.minLength, limits.minRepeats * period))
      best = { period, length };
  }
  return best === undefined ? undefined : { text: text.slice(-best.period), length: best.length, offset };
}
