// A checkpoint folder from its headers alone: config, tensors, KV bytes per context length, and what fits into this machine.
import { totalmem } from 'node:os';
import type { CheckpointInfo } from '@mimokit/protocol';
import { defineCommand } from 'citty';
import { fitOf, kvPlan, type KvPlan } from '../kv-plan.ts';
import { modelDirectory } from '../model-options.ts';
import { readCheckpointInfo } from '../pick-runner.ts';
import { formatBytes, table } from '../terminal.ts';

export const inspect = defineCommand({
  meta: { name: 'inspect', description: 'config, tensors, KV bytes per context length, what fits' },
  args: {
    directory: {
      type: 'positional',
      required: false,
      valueHint: 'DIR',
      description: 'a checkpoint folder (default: the embedded nano)',
    },
    tensors: { type: 'boolean', default: false, description: 'list every tensor' },
    memory: { type: 'string', valueHint: 'GiB', description: 'memory to fit into (default: this machine)' },
    json: { type: 'boolean', default: false, description: 'print JSON' },
  },
  async run({ args }) {
    const directory = args.directory ?? (await modelDirectory({}));
    const info = await readCheckpointInfo(directory);
    const memoryBytes = args.memory === undefined ? totalmem() : Number(args.memory) * 1024 ** 3;
    const plan = kvPlan(info.config);
    const fits = fitOf(info, plan, memoryBytes);
    if (args.json) console.log(JSON.stringify({ directory, ...info, kv: plan, memoryBytes, fits }));
    else print(directory, info, plan, memoryBytes, args.tensors);
  },
});

function print(
  directory: string,
  info: CheckpointInfo,
  plan: KvPlan,
  memoryBytes: number,
  listsTensors: boolean,
): void {
  const { config, bytes, totalBytes, tensors } = info;
  const { global, sliding, moe } = config;
  const heads = ({ heads, kvHeads, qkDim, vDim, rotaryDim, ropeTheta }: typeof global): string =>
    `${heads} query and ${kvHeads} KV heads of ${qkDim}/${vDim}, rotary ${rotaryDim}, theta ${ropeTheta}`;
  console.log(directory);
  console.log(
    table([
      [
        'layers',
        `${config.layers}: ${config.layerKinds.map(([kind, ffn]) => (kind === 'global' ? 'G' : 'S') + (ffn === 'moe' ? '' : 'd')).join(' ')}`,
      ],
      ['', 'G global, S sliding, d dense FFN instead of experts'],
      ['sizes', `hidden ${config.hiddenSize}, vocabulary ${config.vocabSize}, context ${config.contextLength}`],
      ['global', heads(global)],
      ...(sliding
        ? [['sliding', `${heads(sliding)}, window ${sliding.windowKeys}${sliding.sinks ? ', sinks' : ''}`]]
        : []),
      ...(moe
        ? [['experts', `${moe.experts} of width ${moe.width}, ${moe.topK} chosen, in ${moe.layers} layers`]]
        : []),
      ['dense', `width ${config.denseWidth}`],
      ['MTP', `${config.mtpHeads} heads`],
      ['tensors', `${tensors.length}, ${formatBytes(totalBytes)}`],
      ...Object.entries(bytes)
        .filter(([, size]) => size > 0)
        .map(([part, size]) => [`  ${part}`, formatBytes(size)]),
    ]),
  );
  if (listsTensors) {
    console.log(
      `\n${table(tensors.map(({ name, dtype, shape, bytes: size }) => [name, dtype, `[${shape.join(', ')}]`, formatBytes(size)]))}`,
    );
  }
  const kinds = ['f32', 'bf16', 'fp8'] as const;
  console.log('\nKeys and values of one sequence (global layers grow, windows do not):');
  console.log(
    table([
      ['context', ...kinds],
      ...plan.contexts.map(({ tokens, bytes: sizes }) => [
        tokens.toLocaleString('en'),
        ...kinds.map((kind) => formatBytes(sizes[kind])),
      ]),
      ['window', ...kinds.map((kind) => formatBytes(plan.windowBytes[kind]))],
    ]),
  );
  const room = memoryBytes - totalBytes;
  console.log(
    `\nWith ${formatBytes(memoryBytes)}: weights take ${formatBytes(totalBytes)}, ${room > 0 ? `${formatBytes(room)} are left` : 'more than there is'}.`,
  );
  const fits = fitOf(info, plan, memoryBytes);
  if (room > 0) {
    console.log(
      table([
        ['sequences that fit at', ...kinds],
        ...fits.map(({ tokens, sequences }) => [
          tokens.toLocaleString('en'),
          ...kinds.map((kind) => sequences[kind].toLocaleString('en')),
        ]),
      ]),
    );
  }
}
