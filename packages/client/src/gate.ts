// At most so many at one time, first come first served.

export interface Gate {
  /** Resolves when there is room; call the result to leave. */
  enter(): Promise<() => void>;
}

export function createGate(slots: number): Gate {
  let free = slots;
  const waiting: (() => void)[] = [];
  function leaveOnce(): () => void {
    let inside = true;
    return () => {
      if (!inside) return;
      inside = false;
      const next = waiting.shift();
      if (next) next();
      else free++;
    };
  }
  return {
    async enter() {
      if (free > 0) free--;
      else await new Promise<void>((resolve) => waiting.push(resolve));
      return leaveOnce();
    },
  };
}
