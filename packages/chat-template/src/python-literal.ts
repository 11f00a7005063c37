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
  if (reader.peek() === ',') value = reader.rest(value);
  return value !== undefined && reader.at === source.length ? value : undefined;
}

class LiteralReader {
  readonly source: string;
  at = 0;
  /** Brackets that are open: a newline is white space only inside one. */
  #brackets = 0;

  constructor(source: string) {
    this.source = source;
  }

  /** A tuple without parentheses, after its first value. */
  rest(first: string): string | undefined {
    return this.#items(first, '', 0);
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
      } else if (c !== ' ' && c !== '\t' && c !== '\f' && (this.#brackets === 0 || (c !== '\n' && c !== '\r'))) return;
    }
  }

  value(depth: number): string | undefined {
    if (depth > maxDepth) return undefined;
    this.space();
    const c = this.peek();
    if (c === '{') return this.#dict(depth);
    if (c === '[') {
      this.at++;
      this.#brackets++;
      return this.#items(undefined, ']', depth);
    }
    if (c === '(') return this.#parenthesis(depth);
    if (c === '+' || c === '-') {
      this.at++;
      this.space();
      const number = this.#number();
      return number === undefined || c === '+' || number === '0' ? number : `-${number}`;
    }
    if ((c >= '0' && c <= '9') || c === '.') return this.#number();
    for (const [word, json] of words) {
      if (this.source.startsWith(word, this.at) && !isWord(this.source.charCodeAt(this.at + word.length))) {
        this.at += word.length;
        return json;
      }
    }
    return this.#strings();
  }

  /** Comma-separated values up to `close` ('' = the end of the text), after `first` when that was already read. */
  #items(first: string | undefined, close: string, depth: number): string | undefined {
    let json = first ?? '';
    for (let some = first !== undefined; ; some = true) {
      this.space();
      if (this.#ends(close)) return `[${json}]`;
      if (some) {
        if (this.peek() !== ',') return undefined;
        this.at++;
        this.space();
        if (this.#ends(close)) return `[${json}]`;
      }
      const value = this.value(depth + 1);
      if (value === undefined) return undefined;
      json += some ? `,${value}` : value;
    }
  }

  #ends(close: string): boolean {
    if (close === '') return this.at >= this.source.length;
    if (this.peek() !== close) return false;
    this.at++;
    this.#brackets--;
    return true;
  }

  #parenthesis(depth: number): string | undefined {
    this.at++;
    this.#brackets++;
    this.space();
    if (this.#ends(')')) return '[]';
    const value = this.value(depth + 1);
    if (value === undefined) return undefined;
    this.space();
    return this.#ends(')') ? value : this.#items(value, ')', depth);
  }

  #dict(depth: number): string | undefined {
    this.at++;
    this.#brackets++;
    let json = '';
    for (;;) {
      this.space();
      if (this.#ends('}')) return `{${json}}`;
      if (json !== '') {
        if (this.peek() !== ',') return undefined;
        this.at++;
        this.space();
        if (this.#ends('}')) return `{${json}}`;
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

  /** Takes what may belong to a number and lets the number readers of JavaScript judge it: they agree with Python on all but
   *  underscores and leading zeros. */
  #number(): string | undefined {
    const start = this.at;
    const isPrefixed = this.source.charAt(start) === '0' && 'xXoObB'.includes(this.source.charAt(start + 1) || ' ');
    for (; this.at < this.source.length; this.at++) {
      const code = this.source.charCodeAt(this.at);
      const isSign = (code === 43 || code === 45) && !isPrefixed && (this.source.charCodeAt(this.at - 1) | 32) === 101;
      if (!isWord(code) && code !== 46 && (!isSign || this.at === start)) break;
    }
    const written = this.source.slice(start, this.at);
    if (written.includes('__') || written.includes('_.') || written.includes('._') || written.endsWith('_'))
      return undefined;
    const text = written.replaceAll('_', '');
    if (text === '') return undefined;
    const value = Number(text);
    if (!Number.isFinite(value)) return isDigits(text) ? text : undefined;
    if (isPrefixed) return text.length > 1000 ? undefined : String(BigInt(text));
    if (!isDigits(text)) return pythonFloat(value);
    if (value === 0) return '0';
    return text.startsWith('0') ? undefined : text;
  }

  /** Adjacent string literals are one string. */
  #strings(): string | undefined {
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
      const part = this.#string(triple, raw);
      if (part === undefined) return undefined;
      value += part;
    }
  }

  #string(quote: string, raw: boolean): string | undefined {
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
      const escaped = this.#escape();
      if (escaped === undefined) return undefined;
      value += escaped;
      from = this.at--;
    }
    return undefined;
  }

  /** Reads what follows a backslash and stops after it. */
  #escape(): string | undefined {
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

function isDigits(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (!isDigit(text.charCodeAt(i))) return false;
  return true;
}

function isDigit(code: number): boolean {
  return code >= 48 && code <= 57;
}

function isHex(code: number): boolean {
  return isDigit(code) || ((code | 32) >= 97 && (code | 32) <= 102);
}

function isWord(code: number): boolean {
  return isDigit(code) || ((code | 32) >= 97 && (code | 32) <= 122) || code === 95 || code > 127;
}
