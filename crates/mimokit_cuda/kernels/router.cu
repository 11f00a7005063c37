// router: s = sigmoid(logits); the top_k largest s + bias (the lower expert on a tie), ascending; weights s, divided by their sum if
// `normalise`, times `scale`. One warp a row. Grid: (rows). Dynamic shared memory: experts floats and top_k words.
//   logits [rows, experts] FP32 -> ids [rows, top_k], weights [rows, top_k]
#include "device/arguments.cuh"
#include "device/reduce.cuh"

KERNEL(router, RouterArgs, 32) {
  DYNAMIC_SHARED(float, choice);
  u32* chosen = reinterpret_cast<u32*>(choice + args.experts);
  const float* logits = args.logits + static_cast<u64>(blockIdx.x) * args.experts;
  for (u32 expert = threadIdx.x; expert < args.experts; expert += WARP)
    choice[expert] = 1.0f / (1.0f + expf(-logits[expert])) + args.bias[expert];
  __syncwarp();
  for (u32 taken = 0; taken < args.top_k; taken++) {
    float best = -INFINITY;
    u32 best_expert = args.experts;
    for (u32 expert = threadIdx.x; expert < args.experts; expert += WARP) {
      if (choice[expert] > best) {
        best = choice[expert];
        best_expert = expert;
      }
    }
    UNROLL
    for (u32 step = WARP / 2; step > 0; step /= 2) {
      float other = __shfl_xor_sync(ALL_LANES, best, step);
      u32 other_expert = __shfl_xor_sync(ALL_LANES, best_expert, step);
      if (other > best || (other == best && other_expert < best_expert)) {
        best = other;
        best_expert = other_expert;
      }
    }
    // Logits that are not numbers leave nothing to choose: the first experts stand in, and the step fails at its pick.
    if (best_expert == args.experts) best_expert = taken;
    if (threadIdx.x == 0) {
      choice[best_expert] = -INFINITY;
      // Insertion keeps the list ascending.
      u32 place = taken;
      for (; place > 0 && chosen[place - 1] > best_expert; place--) chosen[place] = chosen[place - 1];
      chosen[place] = best_expert;
    }
    __syncwarp();
  }
  if (threadIdx.x != 0) return;
  u32* ids = args.ids + static_cast<u64>(blockIdx.x) * args.top_k;
  float* weights = args.weights + static_cast<u64>(blockIdx.x) * args.top_k;
  float sum = 0.0f;
  for (u32 index = 0; index < args.top_k; index++) {
    ids[index] = chosen[index];
    weights[index] = 1.0f / (1.0f + expf(-logits[chosen[index]]));
    sum += weights[index];
  }
  float divisor = args.normalise ? sum : 1.0f;
  for (u32 index = 0; index < args.top_k; index++) weights[index] = weights[index] / divisor * args.scale;
}
