// One turn of `mimokit chat`: the user's line in, the tool loop's events printed, the figures of the turn at the end.
import type { Message, ToolCall } from '@mimokit/protocol';
import { runTools, tool, type RunnableTool } from '@mimokit/client/run-tools';
import { demoTools } from '@mimokit/nano';
import type { LocalModel } from '@mimokit/runtime';
import pc from 'picocolors';
import { runDemoTool } from './demo-tools.ts';
import { formatBytes } from './terminal.ts';

/** clock, calculator and convert_units, as the loop runs them. */
const chatTools: readonly RunnableTool[] = demoTools.map(({ name, description, parameters }) =>
  tool({ name, description, parameters, execute: (input) => runDemoTool(name, input) }),
);

export interface TurnFigures {
  completionTokens: number;
  tokensPerSecond: number;
  /** Accepted drafts + 1, on average over the steps of this turn; 1 without drafts. */
  acceptLength: number;
  promptTokens: number;
  cachedTokens: number;
  kvBytes: number;
}

export interface Turn {
  messages: readonly Message[];
  figures: TurnFigures;
}

export interface TurnOptions {
  model: LocalModel;
  messages: readonly Message[];
  thinking: boolean;
  tools: boolean;
  maxTokens: number;
  temperature: number;
  signal?: AbortSignal;
  write: (text: string) => void;
}

/** Runs one user turn to its end (or to an abort) and prints it. The conversation comes back with everything in it. */
export async function runTurn({
  model,
  messages,
  thinking,
  tools,
  maxTokens,
  temperature,
  signal,
  write,
}: TurnOptions): Promise<Turn> {
  const started = performance.now();
  let kvBytes = 0;
  const acceptLengths: number[] = [];
  const print = createPrinter(write);
  const loop = runTools(model, {
    messages,
    tools: tools ? chatTools : [],
    thinking,
    maxTokens,
    maxSteps: 8,
    sampling: { temperature },
    ...(signal && { signal }),
  });
  for await (const event of loop) {
    if (event.type === 'reasoning-delta') print('thinking', event.text);
    else if (event.type === 'text-delta') print('content', event.text);
    else if (event.type === 'tool-call') print('call', describe(event.call));
    else if (event.type === 'tool-result') print('result', event.content);
    else if (event.type === 'step-finish') {
      acceptLengths.push(...(event.usage.acceptLengths ?? []));
      kvBytes = Math.max(kvBytes, model.stats().kv.bytesUsed);
    }
  }
  print('end', '');
  const { usage, messages: after } = await loop.result();
  const seconds = (performance.now() - started) / 1000;
  return {
    messages: after,
    figures: {
      completionTokens: usage.completionTokens,
      tokensPerSecond: usage.completionTokens / seconds,
      acceptLength:
        acceptLengths.length === 0 ? 1 : acceptLengths.reduce((sum, each) => sum + each, 0) / acceptLengths.length,
      promptTokens: usage.promptTokens,
      cachedTokens: usage.cachedTokens,
      kvBytes,
    },
  };
}

/** The line of figures after a turn. */
export function figuresLine({
  completionTokens,
  tokensPerSecond,
  acceptLength,
  promptTokens,
  cachedTokens,
  kvBytes,
}: TurnFigures): string {
  return [
    `${completionTokens} tokens`,
    `${tokensPerSecond.toFixed(0)} tokens/s`,
    `accept length ${acceptLength.toFixed(2)}`,
    `cached ${cachedTokens} of ${promptTokens} prompt tokens`,
    `KV ${formatBytes(kvBytes)}`,
  ].join(' · ');
}

function describe({ name, arguments: input }: ToolCall): string {
  return `${name} ${input}`;
}

type Kind = 'thinking' | 'content' | 'call' | 'result' | 'end';
const styles: Readonly<Record<Exclude<Kind, 'end'>, { label: string; paint: (text: string) => string }>> = {
  thinking: { label: 'thinking', paint: pc.dim },
  content: { label: 'mimo', paint: (text) => text },
  call: { label: 'call', paint: pc.cyan },
  result: { label: 'result', paint: pc.green },
};

/** Prints pieces under a label each time the kind changes, so that thinking, content and calls stay apart. */
function createPrinter(write: (text: string) => void): (kind: Kind, text: string) => void {
  let last: Kind | undefined;
  return (kind, text) => {
    if (kind === 'end') {
      if (last !== undefined) write('\n');
      return;
    }
    const { label, paint } = styles[kind];
    // Each call and each result is a line of its own.
    if (kind !== last || kind === 'call' || kind === 'result') {
      write(`${last === undefined ? '' : '\n'}${pc.bold(paint(label.padStart(8)))}  `);
    }
    last = kind;
    write(paint(text.replaceAll('\n', '\n          ')));
  };
}
