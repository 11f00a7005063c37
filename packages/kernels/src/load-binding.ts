// Finds and loads the .node file of this platform: MIMOKIT_BINDING, a file beside package.json, the platform package. Nothing else
// loads native code.
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { MimoError } from '@mimokit/protocol';
import type * as Binding from '../binding.d.cts';

export type NativeBinding = typeof Binding;

let loaded: NativeBinding | undefined;

/** The native core, loaded once. Throws `native-not-found`, naming the command that helps. */
export function loadBinding(): NativeBinding {
  loaded ??= findBinding();
  return loaded;
}

/** True when the native core can be loaded here; when not, @mimokit/runner-js runs everywhere. */
export function isNativeAvailable(): boolean {
  try {
    loadBinding();
    return true;
  } catch {
    return false;
  }
}

/** The platform's name in file and package names: linux-x64-gnu, darwin-arm64, … */
export function platformName(): string {
  const { platform, arch } = process;
  if (platform === 'linux') return `linux-${arch}-${isMusl() ? 'musl' : 'gnu'}`;
  if (platform === 'win32') return `win32-${arch}-msvc`;
  return `${platform}-${arch}`;
}

function isMusl(): boolean {
  // Linux reports of Node name the C library's version only when it is glibc.
  const report = process.report?.getReport();
  const header = typeof report === 'object' && 'header' in report ? report.header : undefined;
  return !(typeof header === 'object' && header !== null && 'glibcVersionRuntime' in header);
}

function findBinding(): NativeBinding {
  const name = platformName();
  const require = createRequire(import.meta.url);
  const fileName = `mimokit.${name}.node`;
  const beside = fileURLToPath(new URL(`../${fileName}`, import.meta.url));
  const packageName = `@mimokit/kernels-${name}`;
  const chosen = process.env['MIMOKIT_BINDING'];
  const tried: string[] = [];
  let cause: unknown;
  const attempt = (place: string, path: string, absent: string | undefined): NativeBinding | undefined => {
    if (absent !== undefined) {
      tried.push(`${place} (${absent})`);
      return undefined;
    }
    try {
      return checked(require(path));
    } catch (error) {
      cause = error;
      const isAbsent = error instanceof Error && 'code' in error && error.code === 'MODULE_NOT_FOUND';
      tried.push(`${place} (${isAbsent ? 'not installed' : firstLine(error)})`);
      return undefined;
    }
  };
  const found =
    chosen === undefined || chosen === ''
      ? (attempt(fileName, beside, existsSync(beside) ? undefined : 'not there') ??
        attempt(packageName, packageName, undefined) ??
        attempt('MIMOKIT_BINDING', '', 'not set'))
      : attempt(`MIMOKIT_BINDING=${chosen}`, chosen, existsSync(chosen) ? undefined : 'not there');
  if (found !== undefined) return found;
  throw new MimoError('native-not-found', `No MimoKit binary for ${name}.\n  Looked for: ${tried.join(', ')}.`, {
    hint:
      chosen === undefined || chosen === ''
        ? `npm i ${packageName}        details: npx mimokit doctor`
        : 'Point MIMOKIT_BINDING at a mimokit.<platform>.node file, or unset it.',
    platform: name,
    cause,
  });
}

function checked(found: unknown): NativeBinding {
  if (isBinding(found)) return found;
  throw new Error('it is not a MimoKit binary');
}

function isBinding(found: unknown): found is NativeBinding {
  return typeof found === 'object' && found !== null && 'NativeRunner' in found && 'machineReport' in found;
}

function firstLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  const end = text.indexOf('\n');
  return end < 0 ? text : text.slice(0, end);
}
