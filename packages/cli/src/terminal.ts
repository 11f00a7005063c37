// What the commands print to people: errors, byte sizes, tables.
import { isMimoError } from '@mimokit/protocol';
import pc from 'picocolors';

/** Prints an error on stderr and returns the exit code: 2 for a wrong command line, else 1. */
export function reportError(error: unknown): number {
  if (isMimoError(error)) {
    console.error(`${pc.red(error.code)}: ${error.message}`);
    if (error.hint !== undefined) console.error(`  Next: ${error.hint}`);
    return error.code === 'invalid-argument' ? 2 : 1;
  }
  const usage = error instanceof Error && error.name === 'CLIError';
  console.error(`${pc.red(usage ? 'usage' : 'error')}: ${error instanceof Error ? error.message : String(error)}`);
  if (usage) console.error('  Next: mimokit --help');
  else if (error instanceof Error && error.stack !== undefined && process.env['DEBUG'] !== undefined)
    console.error(error.stack);
  return usage ? 2 : 1;
}

/** 1,536 → "1.5 KiB". */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${value < 10 && unit > 0 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

/** Columns padded to their widest cell; numbers as given. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** A bar on a terminal's standard error, drawn over itself; nothing where that is no terminal. */
export function progressBar(): { show: (label: string, done: number, total: number) => void; clear: () => void } {
  const stream = process.stderr;
  let drawnAt = 0;
  return {
    show: (label, done, total) => {
      const now = Date.now();
      if (!stream.isTTY || (now - drawnAt < 100 && done < total)) return;
      drawnAt = now;
      const width = 30;
      const filled = Math.round((done / Math.max(total, 1)) * width);
      const bar = `${pc.green('━'.repeat(filled))}${pc.dim('━'.repeat(width - filled))}`;
      stream.write(`\r\u001b[K${bar} ${label} ${formatBytes(done)} of ${formatBytes(total)}`);
    },
    clear: () => {
      if (stream.isTTY && drawnAt > 0) stream.write('\r\u001b[K');
    },
  };
}
