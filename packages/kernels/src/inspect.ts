// What this machine offers, for `mimokit doctor`: instruction sets and threads from the native core, memory from Node.
import { availableParallelism, totalmem } from 'node:os';
import type { CudaReport, GpuReport } from '../binding.d.cts';
import { loadBinding, platformName } from './load-binding.ts';

export interface MachineReport {
  /** linux-x64-gnu, darwin-arm64, … */
  platform: string;
  /** The instruction set in use unless another is forced, and all that can be. */
  level: string;
  levels: string[];
  /** Threads a runner uses by default; affinity and cgroup quota are counted. */
  threads: number;
  processors: number;
  /** What this process may use: the cgroup's limit where there is one, else the machine's memory. */
  memoryLimitBytes: number;
  totalMemoryBytes: number;
  /** Driver, GPUs and embedded kernels, and why no GPU is used; left out by a binary that was built without CUDA. */
  cuda?: CudaReport;
}

export type { CudaReport, GpuReport };

/** Throws `native-not-found`. */
export function machineReport(): MachineReport {
  const { level, levels, threads, cuda } = loadBinding().machineReport();
  const total = totalmem();
  // 0 when unknown, a huge number when unlimited.
  const limit = process.constrainedMemory();
  return {
    platform: platformName(),
    level,
    levels,
    threads,
    processors: availableParallelism(),
    memoryLimitBytes: limit > 0 && limit < total ? limit : total,
    totalMemoryBytes: total,
    ...(cuda !== undefined && { cuda }),
  };
}
