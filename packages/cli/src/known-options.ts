// Refuses options a command does not have. citty ignores them, and a misspelt --kv would quietly run another number format.
import { MimoError } from '@mimokit/protocol';

interface Option {
  type?: string | undefined;
}

/** Throws `invalid-argument` for the first `--name` in `rawArgs` that is none of `options`. */
export function refuseUnknownOptions(options: Readonly<Record<string, Option>>, rawArgs: readonly string[]): void {
  const known = new Map<string, string>();
  for (const [name, { type }] of Object.entries(options)) {
    if (type === 'positional') continue;
    known.set(plain(name), name);
    if (type === 'boolean') known.set(plain(`no-${name}`), name);
  }
  for (const arg of rawArgs) {
    if (arg === '--') return;
    if (!arg.startsWith('--')) continue;
    const name = arg.slice(2).split('=', 1)[0]!;
    if (known.has(plain(name))) continue;
    const names = [...new Set(known.values())].map((each) => `--${each}`).join(', ');
    throw new MimoError('invalid-argument', `--${name} is no option of this command.`, {
      hint: names === '' ? 'It has none.' : `It has ${names}.`,
    });
  }
}

/** api-key-file and apiKeyFile are one name. */
function plain(name: string): string {
  return name.replaceAll('-', '').toLowerCase();
}
