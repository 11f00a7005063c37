// The native ModelRunner for Node.js, and what else the native core can tell or do alone.
export { checkpointInfo } from './checkpoint-info.ts';
export { type CudaReport, type GpuReport, machineReport, type MachineReport } from './inspect.ts';
export { isNativeAvailable, loadBinding, type NativeBinding } from './load-binding.ts';
export { type NativeModelRunner, nativeRunner, type NativeRunnerOptions, openNativeRunner } from './native-runner.ts';
export {
  attnWindow,
  type AttnWindowShape,
  fp8Decode,
  fp8Encode,
  fp8Linear,
  router,
  type RouterResult,
  type RouterShape,
} from './ops.ts';
