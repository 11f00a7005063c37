// Ids → text: whole sequences at once, and streams that hold back the bytes of an unfinished character.
import { MimoError } from '@mimokit/protocol';
import type { TokenizerSpec } from './vocabulary.ts';

const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });
const keptBytes = 1 << 21;

/** Text of ids that arrive one by one or in bursts. */
export interface DecodeStream {
  /** The text that is certain after these ids; invalid bytes are U+FFFD, one per maximal subpart. */
  push(ids: ArrayLike<number>): string;
  /** What is left when nothing follows: U+FFFD for an unfinished character, else nothing. */
  flush(): string;
}

export class Decoder {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #offsets: Int32Array;
  readonly #special: Uint8Array;
  #out: Uint8Array<ArrayBuffer> = new Uint8Array(1 << 14);
  #outView = new DataView(this.#out.buffer);
  /** By id: the token's text when its bytes are whole characters, null when not. */
  readonly #texts: (string | null | undefined)[] = [];

  constructor({ tokens, added }: Pick<TokenizerSpec, 'tokens' | 'added'>) {
    this.#bytes = tokens.bytes;
    this.#view = new DataView(tokens.bytes.buffer, tokens.bytes.byteOffset, tokens.bytes.byteLength);
    this.#offsets = tokens.offsets;
    this.#special = new Uint8Array(tokens.offsets.length);
    for (const token of added) if (token.special) this.#special[token.id] = 1;
  }

  decode(ids: ArrayLike<number>, skipSpecial: boolean): string {
    const offsets = this.#offsets;
    const used = offsets.length - 1;
    const source = this.#view;
    let out = this.#out;
    let view = this.#outView;
    let length = 0;
    for (let i = 0; i < ids.length; i++) {
      const id = ids[i];
      if (id >>> 0 !== id) throw outOfRange(id, i);
      if (id >= used || (skipSpecial && this.#special[id] === 1)) continue;
      const from = offsets[id];
      const size = offsets[id + 1] - from;
      if (length + size + 8 > out.length) {
        out = this.#grow(length, size);
        view = this.#outView;
      }
      if (size <= 8) {
        view.setInt32(length, source.getInt32(from, true), true);
        view.setInt32(length + 4, source.getInt32(from + 4, true), true);
      } else out.set(this.#bytes.subarray(from, from + size), length);
      length += size;
    }
    const text = utf8.decode(out.subarray(0, length));
    if (out.length > keptBytes) this.#replace(new Uint8Array(1 << 14));
    return text;
  }

  /** The bytes of one token; empty for an id without one. */
  bytesOf(id: number): Uint8Array {
    if (id >= this.#offsets.length - 1) return new Uint8Array(0);
    return this.#bytes.slice(this.#offsets[id], this.#offsets[id + 1]);
  }

  stream(skipSpecial: boolean): DecodeStream {
    const held = new Uint8Array(3);
    let heldBytes = 0;
    const push = (ids: ArrayLike<number>): string => {
      let text = '';
      for (let i = 0; i < ids.length; i++) {
        const id = ids[i];
        if (id >>> 0 !== id) throw outOfRange(id, i);
        if (skipSpecial && this.#special[id] === 1) continue;
        const whole = heldBytes === 0 ? this.#wholeText(id) : null;
        if (whole !== null) {
          text += whole;
          continue;
        }
        const token = this.bytesOf(id);
        const bytes = new Uint8Array(heldBytes + token.length);
        bytes.set(held.subarray(0, heldBytes));
        bytes.set(token, heldBytes);
        heldBytes = unfinishedBytes(bytes);
        const certain = bytes.length - heldBytes;
        held.set(bytes.subarray(certain));
        text += utf8.decode(bytes.subarray(0, certain));
      }
      return text;
    };
    const flush = (): string => {
      const text = utf8.decode(held.subarray(0, heldBytes));
      heldBytes = 0;
      return text;
    };
    return { push, flush };
  }

  #wholeText(id: number): string | null {
    if (id >= this.#offsets.length - 1) return '';
    let text = this.#texts[id];
    if (text === undefined) {
      const bytes = this.#bytes.subarray(this.#offsets[id], this.#offsets[id + 1]);
      const isOpen = unfinishedBytes(bytes) > 0;
      text = isOpen ? null : utf8.decode(bytes);
      this.#texts[id] = text;
    }
    return text;
  }

  #grow(length: number, more: number): Uint8Array<ArrayBuffer> {
    const out = new Uint8Array(Math.max(this.#out.length * 2, length + more + 8));
    out.set(this.#out.subarray(0, length));
    this.#replace(out);
    return out;
  }

  #replace(out: Uint8Array<ArrayBuffer>): void {
    this.#out = out;
    this.#outView = new DataView(out.buffer);
  }
}

/** How many bytes at the end begin a character that more bytes may still complete. */
function unfinishedBytes(bytes: Uint8Array): number {
  for (let held = 1; held <= 3 && held <= bytes.length; held++) {
    const byte = bytes[bytes.length - held];
    if (byte < 0x80) return 0;
    if (byte < 0xc0) continue;
    const wanted = byte < 0xc2 ? 0 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : byte < 0xf5 ? 4 : 0;
    if (held >= wanted) return 0;
    return held === 1 || isSecond(byte, bytes[bytes.length - held + 1]) ? held : 0;
  }
  return 0;
}

/**
 * The second byte decides whether a lead byte's character can exist: no overlong forms, nothing above 0x10ffff. A surrogate
 * (0xed 0xa0..) is held until its third byte, as Python's incremental decoder does and the golden pieces record.
 */
function isSecond(lead: number, second: number): boolean {
  const least = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
  return second >= least && second <= (lead === 0xf4 ? 0x8f : 0xbf);
}

function outOfRange(id: number, index: number): MimoError {
  return new MimoError(
    'token-out-of-range',
    `ids[${index}] is ${String(id)}: a token id is an integer from 0 to 2^32 - 1.`,
    {
      hint: 'Pass ids as encode returns them.',
      id,
      index,
    },
  );
}
