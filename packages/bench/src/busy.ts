// Is the machine quiet enough to measure on? Which processes used how much of a processor during a second; where the system does not
// say, how busy all processors were.
import { readdirSync, readFileSync } from 'node:fs';
import { cpus } from 'node:os';

const sampleMs = 1000;
const allowedShare = 0.05;
/** Linux counts processor time in hundredths of a second, whatever the kernel's own tick is. */
const ticksPerSecond = 100;

interface Usage {
  readonly name: string;
  readonly share: number;
}

/** Throws when another process uses more than 5 % of a processor; with `force` it warns only. */
export async function requireQuiet(force: boolean): Promise<void> {
  const busy = (await usage()).filter(({ share }) => share > allowedShare);
  if (busy.length === 0) return;
  const list = busy.map(({ name, share }) => `${name} ${Math.round(share * 100)} %`).join(', ');
  const message = `The machine is busy: ${list}. Figures measured now would be wrong.`;
  if (!force) throw new Error(`${message} Stop what runs, or measure all the same with --force.`);
  console.error(message);
}

async function usage(): Promise<Usage[]> {
  const before = ticksOfProcesses();
  const idleBefore = idleMs();
  await new Promise((resolve) => setTimeout(resolve, sampleMs));
  if (before === null) return [{ name: 'all processes', share: cpus().length - (idleMs() - idleBefore) / sampleMs }];
  const found: Usage[] = [];
  for (const [id, { name, ticks }] of ticksOfProcesses() ?? []) {
    const used = ticks - (before.get(id)?.ticks ?? 0);
    if (id !== process.pid) found.push({ name: `${name} (${id})`, share: used / ticksPerSecond / (sampleMs / 1000) });
  }
  return found.toSorted((a, b) => b.share - a.share);
}

function idleMs(): number {
  return cpus().reduce((sum, { times }) => sum + times.idle, 0);
}

function ticksOfProcesses(): Map<number, { name: string; ticks: number }> | null {
  if (process.platform !== 'linux') return null;
  const found = new Map<number, { name: string; ticks: number }>();
  for (const entry of readdirSync('/proc')) {
    const id = Number(entry);
    if (!Number.isInteger(id)) continue;
    try {
      const text = readFileSync(`/proc/${id}/stat`, 'utf8');
      // The name is in brackets and may hold any character; user and system time are the 14th and 15th fields.
      const end = text.lastIndexOf(')');
      const fields = text.slice(end + 2).split(' ');
      found.set(id, { name: text.slice(text.indexOf('(') + 1, end), ticks: Number(fields[11]) + Number(fields[12]) });
    } catch {
      // It ended meanwhile.
    }
  }
  return found;
}
