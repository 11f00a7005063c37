// Text nobody would write, from a seed: every script, odd spaces, marks in any order, look-alikes of control tokens.

/** Uniform numbers in [0, 1) from a 32-bit seed (mulberry32). */
export function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

// First code points of the stretches that words are drawn from: Latin and its extensions, Greek, Cyrillic, Hebrew, Arabic,
// Devanagari, Bengali, Tamil, Thai, Tibetan, Georgian, jamo, Ethiopic, kana, Han, Hangul, half-width forms, and planes 1-3.
const stretches = [
  0x41, 0x61, 0xc0, 0x100, 0x180, 0x1c4, 0x250, 0x370, 0x400, 0x531, 0x5d0, 0x620, 0x905, 0x985, 0xb85, 0xe01, 0xf40,
  0x10a0, 0x1100, 0x1161, 0x11a8, 0x1200, 0x13a0, 0x1780, 0x1e00, 0x1f00, 0x2c00, 0x3041, 0x30a1, 0x3105, 0x3400,
  0x4e00, 0x6211, 0x8a9e, 0xa640, 0xa720, 0xac00, 0xb098, 0xd788, 0xf900, 0xfb00, 0xfb50, 0xff21, 0xff66, 0x10400,
  0x10450, 0x11380, 0x11900, 0x16100, 0x16d40, 0x1d400, 0x1e900, 0x20000, 0x2f800, 0x30000,
];
const marks = [
  0x300, 0x301, 0x307, 0x308, 0x323, 0x327, 0x338, 0x345, 0x591, 0x64b, 0x93c, 0x94d, 0x9be, 0xe48, 0x1ab0, 0x1abf,
  0x20d0, 0x3099, 0x309a, 0xfe0f, 0x1d165,
];
const spaces = [
  ' ',
  ' ',
  '  ',
  '   ',
  '\t',
  '\n',
  '\n\n',
  '\r\n',
  '\r',
  ' \n',
  '\n ',
  '\u00a0',
  '\u3000',
  '\u2003',
  '\u0085',
  '\v',
  '\f',
  '\u2028',
  '\ufeff',
  '\u200b',
  '\u180e',
];
const numbers = ['0', '7', '42', '1234567', '٣', '१२', '²', '½', 'Ⅷ', '①', '１２', '𝟘', '3.14', '1e-7'];
const symbols = [
  '.',
  ',',
  '!',
  '?',
  ';',
  '(',
  ')',
  '{',
  '}',
  '=>',
  '//',
  '/',
  '...',
  '—',
  '“',
  '”',
  '。',
  '，',
  '、',
  '¿',
  '€',
  '$',
  '+',
  '<',
  '>',
  '|',
  '#',
  '_',
  '-',
  '*',
  '\\',
  '"',
  '`',
  '~',
  '^',
  '&',
  '@',
  '%',
  '️',
  '‍',
  '\u0000',
  '\u001b',
  '\u00ad',
  '\ue000',
  '\u{10ffff}',
  '\ufffd',
  '\ud800',
  '\udc00',
];
const emoji = ['😀', '👍🏽', '👩‍👩‍👧‍👦', '🏳️‍🌈', '🇩🇪', '❤️', '1️⃣', '🫠'];
const contractions = ["'s", "'S", "'t", "'re", "'RE", "'vE", "'ll", "'LL", "'d", "'m", "'ſ", "'l", "''s", '’s', "'x"];
const controls = [
  '<|im_start|>',
  '<|im_end|>',
  '<think>',
  '</think>',
  '<tool_call>',
  '<|endoftext|>',
  '<|im_end',
  '<|im_end|',
  '<think',
  '<Think>',
  '<<think>>',
  '<|begin_of_text|>',
  '<｜begin▁of▁sentence｜>',
  '<|endofprompt|>',
  '<|',
  '|>',
];
const words = [
  'the',
  'The',
  ' hello',
  ' world',
  'function',
  'return',
  ' const',
  'HTTPServer',
  'camelCase',
  'don',
  'naïve',
  'Straße',
  'ﬁn',
  'Å',
  '数据',
  '的',
  '我们',
  '한국어',
  '안녕',
  ' Привет',
  'مرحبا',
  'שלום',
  'नमस्ते',
  'สวัสดี',
  'が',
  'か\u3099',
  'e\u0301',
  '\u1112\u1161\u11ab',
  '\u212b',
];

/** About `size` UTF-16 units of random text. */
export function randomText(next: () => number, size: number): string {
  const pick = <T>(from: readonly T[]): T => from[Math.floor(next() * from.length)];
  const upTo = (most: number): number => 1 + Math.floor(next() * most);
  const parts: string[] = [];
  let length = 0;
  while (length < size) {
    const part = randomPart(next, pick, upTo);
    parts.push(part);
    length += part.length;
  }
  return parts.join('');
}

function randomPart(next: () => number, pick: <T>(from: readonly T[]) => T, upTo: (most: number) => number): string {
  const kind = next();
  if (kind < 0.2) return pick(words);
  if (kind < 0.4) {
    const first = pick(stretches);
    const spread = next() < 0.5 ? 26 : 80;
    let word = '';
    for (let count = upTo(8); count > 0; count--) {
      word += String.fromCodePoint(first + Math.floor(next() * spread));
      if (next() < 0.08) word += String.fromCodePoint(pick(marks));
    }
    return word;
  }
  if (kind < 0.58) return pick(spaces).repeat(next() < 0.1 ? upTo(6) : 1);
  if (kind < 0.66) return pick(numbers);
  if (kind < 0.78) return pick(symbols).repeat(next() < 0.1 ? upTo(5) : 1);
  if (kind < 0.81) return pick(emoji);
  if (kind < 0.86) return pick(contractions);
  if (kind < 0.89) return pick(controls);
  if (kind < 0.92) return String.fromCodePoint(pick(marks));
  // Any code point at all, surrogates included.
  return String.fromCodePoint(Math.floor(next() * (next() < 0.5 ? 0x10000 : 0x110000)));
}
