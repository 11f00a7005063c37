// The tokenizer beside every tokenizer npm has (C9): cold and warm encoding, gpt-tokenizer's vocabulary in our engine,
// decoding, time to the first ids, worst cases.
import { execFileSync } from 'node:child_process';
import { createTokenizer, type Tokenizer } from '@mimokit/tokenizer';
import { loadMimoTokenizer } from '@mimokit/tokenizer/mimo';
import {
  type Contestant,
  processorClock,
  publish,
  race,
  ratio,
  type Sample,
  summarize,
  threadClock,
} from './harness.ts';
import { tokenizerJson, type TokenizerPeer, tokenizerPeers } from './peers/tokenizers.ts';
import type { BenchResult } from './row.ts';
import { type Language, text, warmUpText } from './texts.ts';

const rounds = Number(process.env['MIMOKIT_BENCH_ROUNDS'] ?? 7);
const languages: readonly Language[] = ['en', 'code', 'ko', 'zh'];
const coldTarget: Record<Language, number> = { en: 30, code: 30, ko: 25, zh: 15 };
const warmTarget = 50;
const gptTarget = 3;
// A pass takes a few milliseconds, a tick of the clock may be four.
const coldPasses = 12;
const warmPasses = 24;
const megabytes = (source: string): number => Buffer.byteLength(source) / 1e6;
const rate = (source: string, { median }: Sample): number => megabytes(source) / (median / 1000);

const peers = tokenizerPeers();
const rows: BenchResult[] = [];
await warmUp();
rows.push(firstEncodeRow(), await decodeRow());
for (const language of languages) {
  rows.push(...(await encodeRows(language)), await o200kRow(language));
  process.stderr.write(`${language} done\n`);
}
rows.push(...(await worstCaseRows()));
publish('tokenize', rows);

/** Compiles the code on other text; the peers get what they need to have their code compiled too. */
async function warmUp(): Promise<void> {
  const source = warmUpText();
  for (let pass = 0; pass < 8; pass++) (await loadMimoTokenizer()).encode(source);
  for (const peer of peers) await peer.encode(source.slice(0, 200_000));
}

async function encodeRows(language: Language): Promise<BenchResult[]> {
  const source = text(language);
  let fresh: Tokenizer[] = [];
  const warm = await loadMimoTokenizer();
  const ids = warm.encode(source);
  const contestants: Contestant[] = [
    {
      name: 'cold',
      passes: coldPasses,
      prepare: async () => {
        fresh = await Promise.all(Array.from({ length: coldPasses }, () => loadMimoTokenizer()));
      },
      run: () => fresh.forEach((tokenizer) => tokenizer.encode(source)),
    },
    { name: 'warm', passes: warmPasses, run: () => repeat(warmPasses, () => warm.encode(source)) },
  ];
  for (const peer of peers) {
    await checkIds(peer, source, ids, language);
    contestants.push(contestant(peer, source));
  }
  const [coldSample, warmSample, ...others] = await race(contestants, rounds, threadClock);
  const exact = others.filter((_, i) => peers[i].isMimo);
  const best = exact.reduce((a, b) => (b.median < a.median ? b : a));
  const gpt = others[peers.findIndex((peer) => peer.name === 'gpt-tokenizer')];
  const shape = `${language}, ${megabytes(source).toFixed(2)} MB`;
  const row = (op: string, ours: Sample, peer: Sample, target: number): BenchResult => ({
    goal: 'C9',
    op,
    shape,
    value: rate(source, ours),
    unit: 'MB/s',
    target,
    peer: `${peer.name} ${rate(source, peer).toFixed(2)}`,
    ratio: ratio(ours, peer),
    spread: ours.spread,
  });
  return [
    row('encode cold', coldSample, best, coldTarget[language]),
    row('encode warm', warmSample, best, warmTarget),
    row('encode cold, beside gpt-tokenizer', coldSample, gpt, gptTarget),
    ...others.map((peer): BenchResult => ({
      op: `peer: ${peer.name}`,
      shape,
      value: rate(source, peer),
      unit: 'MB/s',
      spread: peer.spread,
    })),
  ];
}

function repeat(times: number, pass: () => unknown): void {
  for (let done = 0; done < times; done++) pass();
}

function contestant(peer: TokenizerPeer, source: string): Contestant {
  const { name, forget } = peer;
  // The native one works on a thread of its own.
  const clock = name === 'tokenizers' ? processorClock : threadClock;
  const run = async (): Promise<void> => void (await peer.encode(source));
  return forget === undefined ? { name, run, clock } : { name, run, clock, prepare: forget };
}

async function checkIds(peer: TokenizerPeer, source: string, ids: Int32Array, language: Language): Promise<void> {
  if (!peer.isMimo) return;
  const theirs = await peer.encode(source);
  const isSame = theirs.length === ids.length && ids.every((id, i) => theirs[i] === id);
  if (!isSame) throw new Error(`${peer.name} gives other ids on ${language}`);
}

/** gpt-tokenizer's own vocabulary in our engine, both with empty caches. */
async function o200kRow(language: Language): Promise<BenchResult> {
  const source = text(language);
  const json = JSON.parse(tokenizerJson('gpt4o')) as object;
  const peer = peers.find(({ name }) => name === 'gpt-tokenizer');
  if (peer === undefined) throw new Error('gpt-tokenizer is missing');
  const first = createTokenizer(json);
  let ours: Tokenizer[] = [];
  const theirs = await peer.encode(source);
  const ids = first.encode(source);
  if (theirs.length !== ids.length || !ids.every((id, i) => theirs[i] === id))
    throw new Error(`gpt-tokenizer gives other ids on ${language}`);
  const [cold, gpt] = await race(
    [
      {
        name: 'cold',
        passes: 4,
        prepare: () => void (ours = Array.from({ length: 4 }, () => createTokenizer(json))),
        run: () => ours.forEach((tokenizer) => tokenizer.encode(source)),
      },
      contestant(peer, source),
    ],
    rounds,
    threadClock,
  );
  return {
    goal: 'C9',
    op: 'encode cold, o200k vocabulary',
    shape: `${language}, ${megabytes(source).toFixed(2)} MB`,
    value: rate(source, cold),
    unit: 'MB/s',
    target: gptTarget,
    peer: `gpt-tokenizer ${rate(source, gpt).toFixed(2)}`,
    ratio: ratio(cold, gpt),
    spread: cold.spread,
  };
}

async function decodeRow(): Promise<BenchResult> {
  const mimo = await loadMimoTokenizer();
  const ids = mimo.encode(languages.map(text).join('\n'));
  const [sample] = await race(
    [{ name: 'decode', passes: warmPasses, run: () => repeat(warmPasses, () => mimo.decode(ids)) }],
    rounds,
    threadClock,
  );
  const value = ids.length / sample.median / 1000;
  return {
    goal: 'C9',
    op: 'decode',
    shape: `all texts, ${ids.length} ids`,
    value,
    unit: 'M tokens/s',
    target: 50,
    spread: sample.spread,
  };
}

/** Fresh processes over the built package: from the end of the import to the first ids. */
function firstEncodeRow(): BenchResult {
  const script = `import { loadMimoTokenizer } from '@mimokit/tokenizer/mimo';
    const from = performance.now();
    (await loadMimoTokenizer()).encode('Hello, how are you?');
    process.stdout.write(String(performance.now() - from));`;
  const run = (): number =>
    Number(
      execFileSync(process.execPath, ['--input-type=module', '-e', script], {
        cwd: new URL('..', import.meta.url),
        encoding: 'utf8',
      }),
    );
  const sample = summarize('first', Array.from({ length: rounds * 2 + 1 }, run));
  return {
    goal: 'C9',
    op: 'first encode after import',
    shape: 'fresh process, built package',
    value: sample.median,
    unit: 'ms',
    target: 80,
    atMost: true,
    spread: sample.spread,
  };
}

/** How much longer twice the text takes, up to 4 MiB. */
async function worstCaseRows(): Promise<BenchResult[]> {
  const mega = 1 << 20;
  const shapes: Record<string, (units: number) => string> = {
    'one letter': (units) => 'a'.repeat(units),
    digits: (units) => '7'.repeat(units),
    spaces: (units) => ' '.repeat(units),
    'line ends': (units) => '\n'.repeat(units),
    emoji: (units) => '😀'.repeat(units / 2),
    'one giant word': (units) => 'pneumonoultramicroscopic'.repeat(Math.ceil(units / 24)).slice(0, units),
    'alternating scripts': (units) => 'aд한字ب'.repeat(Math.ceil(units / 5)).slice(0, units),
    'Han without a break': (units) => '天地玄黃宇宙洪荒'.repeat(units / 8),
  };
  const measured: BenchResult[] = [];
  for (const [shape, make] of Object.entries(shapes)) {
    const sizes = [mega, mega * 2, mega * 4].map(make);
    const mimo = await loadMimoTokenizer();
    const samples = await race(
      sizes.map((source) => {
        // The same units in a sample of each size, many ticks of the clock long.
        const passes = (8 * mega) / source.length;
        return { name: `${source.length}`, passes, run: () => repeat(passes, () => mimo.encode(source)) };
      }),
      2 * rounds + 1,
      threadClock,
    );
    for (let i = 1; i < samples.length; i++) {
      measured.push({
        goal: 'C9',
        op: 'worst case: time of twice the text',
        shape: `${shape}, ${sizes[i].length / mega} M units in ${Math.round(samples[i].median)} ms`,
        value: ratio(samples[i - 1], samples[i]),
        unit: 'times',
        target: 2.3,
        atMost: true,
        spread: samples[i].spread,
      });
    }
  }
  return measured;
}
