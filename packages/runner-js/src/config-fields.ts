// Typed reading of a parsed JSON object, field by field, so that an error can name file and field. What the fields mean
// is config.ts.
import { MimoError } from '@mimokit/protocol';

/** One JSON object of `file`. A field may have several spellings; the first one present counts, null counts as absent. */
export class Fields {
  readonly #file: string;
  readonly #path: string;
  readonly #values: Readonly<Record<string, unknown>>;

  constructor(file: string, value: unknown, path = '') {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw new MimoError('config-invalid', `${file}: ${path === '' ? 'the file' : path} is not a JSON object.`, {
        file,
        field: path,
      });
    }
    this.#file = file;
    this.#path = path;
    this.#values = value as Readonly<Record<string, unknown>>;
  }

  #find(names: readonly string[]): { field: string; value: unknown } | undefined {
    for (const name of names) {
      const value = Object.hasOwn(this.#values, name) ? this.#values[name] : undefined;
      if (value !== undefined && value !== null) return { field: this.#path + name, value };
    }
    return undefined;
  }

  has(...names: string[]): boolean {
    return this.#find(names) !== undefined;
  }

  /** Whether the key is there at all, null included. */
  hasKey(name: string): boolean {
    return Object.hasOwn(this.#values, name);
  }

  raw(...names: string[]): unknown {
    return this.#find(names)?.value;
  }

  /** Field `name` is absent or has one of the `known` values. */
  only(name: string, known: readonly unknown[]): void {
    const found = this.#find([name]);
    if (found !== undefined && !known.includes(found.value))
      this.unsupported(
        found.field,
        found.value,
        known.length === 0 ? 'known: none' : `known: ${known.map(String).join(', ')}`,
      );
  }

  integer(names: readonly string[], low: number, high: number, fallback?: number): number {
    const found = this.#find(names);
    if (found === undefined) return fallback ?? this.missing(names);
    const { field, value } = found;
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= low && value <= high) return value;
    return this.invalid(field, value, `an integer in [${low}, ${high}]`);
  }

  number(names: readonly string[], low: number, high: number, fallback?: number): number {
    const found = this.#find(names);
    if (found === undefined) return fallback ?? this.missing(names);
    const { field, value } = found;
    if (typeof value === 'number' && value >= low && value <= high) return value;
    return this.invalid(field, value, `a number in [${low}, ${high}]`);
  }

  boolean(names: readonly string[], fallback: boolean): boolean {
    const found = this.#find(names);
    if (found === undefined) return fallback;
    return typeof found.value === 'boolean' ? found.value : this.invalid(found.field, found.value, 'true or false');
  }

  /** A list of `length` entries, each one of `zero` (false) or `one` (true). */
  choices(name: string, length: number, zero: unknown, one: unknown): boolean[] {
    const found = this.#find([name]);
    if (found === undefined) return this.missing([name]);
    const { field, value } = found;
    if (!Array.isArray(value) || value.length !== length) {
      return this.invalid(
        field,
        Array.isArray(value) ? `a list of ${value.length}` : value,
        `a list of ${length} entries, one a layer`,
      );
    }
    return value.map((entry: unknown, index) => {
      if (entry === zero || entry === one) return entry === one;
      return this.unsupported(`${field}[${index}]`, entry, `known: ${String(zero)}, ${String(one)}`);
    });
  }

  /** The list at `name`, undefined when absent or null. */
  list(name: string): readonly unknown[] | undefined {
    const found = this.#find([name]);
    if (found === undefined) return undefined;
    const { field, value } = found;
    return Array.isArray(value) ? (value as unknown[]) : this.invalid(field, value, 'a list');
  }

  /** The object at `name`. */
  object(name: string): Fields {
    const found = this.#find([name]);
    if (found === undefined) return this.missing([name]);
    return new Fields(this.#file, found.value, `${found.field}.`);
  }

  missing(names: readonly string[]): never {
    const field = this.#path + names[0];
    const also = names.length > 1 ? ` (or ${names.slice(1).join(', ')})` : '';
    throw new MimoError('config-invalid', `${this.#file}: ${field}${also} is missing.`, { file: this.#file, field });
  }

  invalid(field: string, value: unknown, wanted: string): never {
    const shown = show(value);
    throw new MimoError('config-invalid', `${this.#file}: ${field} is ${shown}; it must be ${wanted}.`, {
      file: this.#file,
      field,
      value: shown,
    });
  }

  unsupported(field: string, value: unknown, hint: string): never {
    const shown = show(value);
    throw new MimoError('config-unsupported', `${this.#file}: ${field} ${shown} is not known to this runner.`, {
      hint: `Use a checkpoint of the MiMo-V2-Flash architecture (${hint}).`,
      file: this.#file,
      field,
      value: shown,
    });
  }
}

function show(value: unknown): string {
  const text =
    typeof value === 'string' && !value.startsWith('a list')
      ? JSON.stringify(value)
      : typeof value === 'object'
        ? JSON.stringify(value)
        : String(value);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}
