// Python literals as models write them ({'a': True, 'b': None}) → JSON text. Strings, numbers, True, False, None, lists,
// tuples, dicts; nothing is evaluated. Linear and depth-bounded.
import { pythonFloat } from './python-format.ts';

const maxDepth = 200;

/** JSON text of the literal (tuples as arrays, keys as strings), undefined when it is none or has no JSON form. */
export function readPythonLiteral(source: string): string | undefined {
  const reader = new LiteralReader(source);
  let value = reader.value(0);
  if (value === undefined) return undefined;
  reader.space();
  if (reader.peek() === ',') value = reader.items(value, '', 0);
  return value !== undefined && reader.at === source.length ? value : undefined;
}

class LiteralReader {
  readonly source: string;
  at = 0;
  /** Brackets that are open: a newline is white space only inside one. */
  private brackets = 0;

  constructor(source: string) {
    this.source = source;
  }

  peek(): string {
    return this.source.charAt(this.at);
  }

  space(): void {
    for (; this.at < this.source.length; this.at++) {
      const c = this.peek();
      if (c === '#') {
        const end = this.source.indexOf('\n', this.at);
        this.at = end < 0 ? this.source.length - 1 : end;
      } else if (c !== ' ' && c !== '\t' && c !== '\f' && (this.brackets === 0 || (c !== '\n' && c !== '\r'))) return;
    }
  }

  value(depth: number): string | undefined {
    if (depth > maxDepth) return undefined;
    this.space();
    const c = this.peek();
    if (c === '{') return this.dict(depth);
    if (c === '[') {
      this.at++;
      this.brackets++;
      return this.items(undefined, ']', depth);
    }
    if (c === '(') return this.parenthesis(depth);
    if (c === '+' || c === '-') {
      this.at++;
      this.space();
      const number = this.number();
      return number === undefined || c === '+' || number === '0' ? number : `-${number}`;
    }
    if ((c >= '0' && c <= '9') || c === '.') return this.number();
    for (const [word, json] of words) {
      if (this.source.startsWith(word, this.at) && !isWord(this.source.charCodeAt(this.at + word.length))) {
        this.at += word.length;
        return json;
      }
    }
    return this.strings();
  }

  /** Comma-separated values up to `close` ('' = the end of the text), after `first` when that was already read. */
  items(first: string | undefined, close: string, depth: number): string | undefined {
    let json = first ?? '';
    for (let some = first !== undefined; ; some = true) {
      this.space();
      if (this.ends(close)) return `[${json}]`;
      if (some) {
        if (this.peek() !== ',') return undefined;
        this.at++;
        this.space();
        if (this.ends(close)) return `[${json}]`;
      }
      const value = this.value(depth + 1);
      if (value === undefined) return undefined;
      json += some ? `,${value}` : value;
    }
  }

  ends(close: string): boolean {
    if (close === '') return this.at >= this.source.length;
    if (this.peek() !== close) return false;
    this.at++;
    this.brackets--;
    return true;
  }

  parenthesis(depth: number): string | undefined {
    this.at++;
    this.brackets++;
    this.space();
    if (this.ends(')')) return '[]';
    const value = this.value(depth + 1);
    if (value === undefined) return undefined;
    this.space();
    return this.ends(')') ? value : this.items(value, ')', depth);
  }

  dict(depth: number): string | undefined {
    this.at++;
    this.brackets++;
    let json = '';
    for (;;) {
      this.space();
      if (this.ends('}')) return `{${json}}`;
      if (json !== '') {
        if (this.peek() !== ',') return undefined;
        this.at++;
        this.space();
        if (this.ends('}')) return `{${json}}`;
      }
      const key = this.value(depth + 1);
      if (key === undefined || key.startsWith('[') || key.startsWith('{')) return undefined;
      this.space();
      if (this.peek() !== ':') return undefined;
      this.at++;
      const value = this.value(depth + 1);
      if (value === undefined) return undefined;
      json += `${json === '' ? '' : ','}${key.startsWith('"') ? key : `"${key}"`}:${value}`;
    }
  }

  number(): string | undefined {
    const start = this.at;
    const prefix = this.source.slice(start, start + 2).toLowerCase();
    if (prefix === '0x' || prefix === '0o' || prefix === '0b') {
      this.at += 2;
      const digits = this.digits(prefix === '0x' ? isHex : isDigit);
      if (digits === undefined || digits.length > 1000 || isWord(this.source.charCodeAt(this.at))) return undefined;
      try {
        return String(BigInt(prefix + digits));
      } catch {
        return undefined;
      }
    }
    const whole = this.peek() === '.' ? '' : this.digits(isDigit);
    if (whole === undefined) return undefined;
    let isFloat = false;
    let text = whole;
    if (this.peek() === '.') {
      isFloat = true;
      this.at++;
      const decimals = isDigit(this.source.charCodeAt(this.at)) ? this.digits(isDigit) : '';
      if (decimals === undefined || (whole === '' && decimals === '')) return undefined;
      text += `.${decimals}`;
    }
    if (this.peek() === 'e' || this.peek() === 'E') {
      isFloat = true;
      this.at++;
      const sign = this.peek() === '-' || this.peek() === '+' ? this.source.charAt(this.at++) : '';
      const digits = this.digits(isDigit);
      if (digits === undefined) return undefined;
      text += `e${sign}${digits}`;
    }
    if (isWord(this.source.charCodeAt(this.at))) return undefined;
    if (isFloat) {
      const value = Number(text);
      return Number.isFinite(value) ? pythonFloat(value) : undefined;
    }
    // Python has no integer with a leading zero, except zeros alone.
    if (text.length > 1 && text.startsWith('0')) return Number(text) === 0 ? '0' : undefined;
    return text;
  }

  /** Digits with single underscores between them, which are dropped. */
  digits(accepts: (code: number) => boolean): string | undefined {
    let digits = '';
    let from = this.at;
    for (; ; this.at++) {
      const code = this.source.charCodeAt(this.at);
      if (accepts(code)) continue;
      digits += this.source.slice(from, this.at);
      if (this.at === from) return undefined;
      if (code !== 95) return digits;
      from = this.at + 1;
    }
  }

  /** Adjacent string literals are one string. */
  strings(): string | undefined {
    let value = '';
    for (let some = false; ; some = true) {
      this.space();
      const c = this.peek();
      const raw = c === 'r' || c === 'R';
      const quoteAt = this.at + (raw || c === 'u' || c === 'U' ? 1 : 0);
      const quote = this.source.charAt(quoteAt);
      if (quote !== "'" && quote !== '"') return some ? JSON.stringify(value) : undefined;
      const triple = this.source.startsWith(quote.repeat(3), quoteAt) ? quote.repeat(3) : quote;
      this.at = quoteAt + triple.length;
      const part = this.string(triple, raw);
      if (part === undefined) return undefined;
      value += part;
    }
  }

  string(quote: string, raw: boolean): string | undefined {
    let value = '';
    let from = this.at;
    for (; this.at < this.source.length; this.at++) {
      const code = this.source.charCodeAt(this.at);
      if (code === quote.charCodeAt(0) && this.source.startsWith(quote, this.at)) {
        value += this.source.slice(from, this.at);
        this.at += quote.length;
        return value;
      }
      if (code === 0 || (code === 10 && quote.length === 1)) return undefined;
      if (code !== 92) continue;
      if (raw) {
        this.at++;
        continue;
      }
      value += this.source.slice(from, this.at++);
      const escaped = this.escape();
      if (escaped === undefined) return undefined;
      value += escaped;
      from = this.at--;
    }
    return undefined;
  }

  /** Reads what follows a backslash and stops after it. */
  escape(): string | undefined {
    const c = this.source.charAt(this.at++);
    const index = '\n\\\'"abfnrtv'.indexOf(c);
    if (c !== '' && index >= 0) return ['', '\\', "'", '"', '\x07', '\b', '\f', '\n', '\r', '\t', '\v'][index]!;
    const hexLength = c === 'x' ? 2 : c === 'u' ? 4 : c === 'U' ? 8 : 0;
    if (hexLength > 0) {
      let code = 0;
      for (let i = 0; i < hexLength; i++) {
        if (!isHex(this.source.charCodeAt(this.at))) return undefined;
        code = code * 16 + Number.parseInt(this.source.charAt(this.at++), 16);
      }
      return code > 0x10ffff ? undefined : String.fromCodePoint(code);
    }
    if (c === 'N' || c === '') return undefined;
    if (c < '0' || c > '7') return `\\${c}`;
    let octal = Number(c);
    for (let i = 0; i < 2 && this.peek() >= '0' && this.peek() <= '7'; i++)
      octal = octal * 8 + Number(this.source.charAt(this.at++));
    return String.fromCharCode(octal);
  }
}

const words: readonly (readonly [string, string])[] = [
  ['True', 'true'],
  ['False', 'false'],
  ['None', 'null'],
];

function isDigit(code: number): boolean {
  return code >= 48 && code <= 57;
}

function isHex(code: number): boolean {
  return isDigit(code) || ((code | 32) >= 97 && (code | 32) <= 102);
}

function isWord(code: number): boolean {
  return isDigit(code) || ((code | 32) >= 97 && (code | 32) <= 122) || code === 95 || code > 127;
}
