// What the engine counted. Counts are exact; rates divide them by the time steps took.
import type { ModelInfo } from '@mimokit/protocol';
import { Acceptance } from './draft/acceptance.ts';
import type { KvManager } from './kv/kv-manager.ts';
import { poolBytes } from './kv/geometry.ts';

/** A reading of the engine at one moment. */
export interface EngineStats {
  /** Requests that wait for room, and that run. */
  waiting: number;
  running: number;
  /** Requests that ended, whatever the reason. */
  finished: number;
  steps: number;
  preemptions: number;
  /** How often the runner lost all keys and values, and sequences were computed again. */
  memoryLosses: number;
  /** Prompt tokens of admitted requests, and how many of them were cached. */
  promptTokens: number;
  cachedTokens: number;
  completionTokens: number;
  /** Time in steps, and ids emitted per second of it. */
  stepSeconds: number;
  tokensPerSecond: number;
  /** Drafts, and accepted drafts + 1 on average over the rows that verified some. */
  drafts: { proposed: number; accepted: number; meanAcceptLength: number };
  kv: {
    blocks: number;
    /** Held by nobody, and held by no live sequence: free now, and free once kept windows are evicted. */
    blocksFree: number;
    blocksAvailable: number;
    windows: number;
    windowsFree: number;
    windowsLive: number;
    windowsKept: number;
    bytes: number;
    /** Of blocks and windows that are not free. */
    bytesUsed: number;
    /** Of blocks and windows that live sequences hold. */
    bytesLive: number;
  };
}

/** One step, as `onStep` reports it. */
export interface StepRecord {
  step: number;
  rows: number;
  /** Tokens run, drafts among them. */
  tokens: number;
  drafts: number;
  emitted: number;
  milliseconds: number;
  waiting: number;
}

/** Counters of one engine. */
export class Tally {
  readonly acceptance: Acceptance = new Acceptance();
  finished = 0;
  steps = 0;
  memoryLosses = 0;
  promptTokens = 0;
  cachedTokens = 0;
  completionTokens = 0;
  stepMilliseconds = 0;

  read(kv: KvManager, info: ModelInfo, queue: { waiting: number; running: number; preemptions: number }): EngineStats {
    const { blocks, windows, capacity } = kv;
    const stepSeconds = this.stepMilliseconds / 1000;
    const usedBlocks = blocks.blocks - blocks.free;
    return {
      ...queue,
      finished: this.finished,
      steps: this.steps,
      memoryLosses: this.memoryLosses,
      promptTokens: this.promptTokens,
      cachedTokens: this.cachedTokens,
      completionTokens: this.completionTokens,
      stepSeconds,
      tokensPerSecond: stepSeconds === 0 ? 0 : this.completionTokens / stepSeconds,
      drafts: {
        proposed: this.acceptance.proposed,
        accepted: this.acceptance.accepted,
        meanAcceptLength: this.acceptance.meanAcceptLength,
      },
      kv: {
        blocks: capacity.blocks,
        blocksFree: blocks.free,
        blocksAvailable: blocks.available,
        windows: windows.windows,
        windowsFree: windows.free,
        windowsLive: windows.live,
        windowsKept: windows.keptCount,
        bytes: poolBytes(info, capacity),
        bytesUsed: usedBlocks * info.blockBytes + (windows.windows - windows.free) * info.windowBytes,
        bytesLive: (blocks.blocks - blocks.available) * info.blockBytes + windows.live * info.windowBytes,
      },
    };
  }
}
