// The experts of a step of few tokens: an expert's bytes stream by once for all rows that chose it, 4 rows at a time.
// expert_groups: (row, choice) pairs by expert, ascending, rows ascending in a group. One block. Dynamic shared memory: experts words.
// gate_up_few: inner = silu(W_gate n) * (W_up n) of every pair. A warp takes 2 columns of both. Grid: (ceil(width / 16), groups).
// down_few: down = W_down inner of every pair. A warp takes 4 columns. Grid: (ceil(hidden / 32), groups).
// gate_up_one, down_one: the same for a step of one row, with fewer registers, so that more warps have loads in flight.
// expert_mix: x += sum over the chosen experts, ascending, of weight * down. Grid: (rows, ceil(hidden / 256)).
// A dense feed-forward is one group of all rows. Bound: the bytes of the union of chosen experts.
#include "device/few.cuh"

constexpr u32 GATE_COLUMNS = 2;
constexpr u32 DOWN_COLUMNS = 4;

KERNEL(expert_groups, GroupsArgs, 256) {
  DYNAMIC_SHARED(u32, counts);
  for (u32 expert = threadIdx.x; expert < args.experts; expert += 256) {
    u32 count = 0;
    for (u32 pair = 0; pair < args.pairs; pair++) count += args.ids[pair] == expert;
    counts[expert] = count;
  }
  __syncthreads();
  for (u32 expert = threadIdx.x; expert < args.experts; expert += 256) {
    if (counts[expert] == 0) continue;
    u32 group = 0, start = 0;
    for (u32 before = 0; before < expert; before++) {
      group += counts[before] != 0;
      start += counts[before];
    }
    args.groups[2 * group] = expert;
    args.groups[2 * group + 1] = start;
    u32 at = start;
    for (u32 pair = 0; pair < args.pairs; pair++)
      if (args.ids[pair] == expert) args.order[at++] = pair;
    // The last group also closes the list.
    if (at == args.pairs) {
      args.groups[2 * group + 2] = args.experts;
      args.groups[2 * group + 3] = args.pairs;
      *args.count = group + 1;
    }
  }
}

/// The pairs of a group, and which of them this pass of 4 takes.
struct Group {
  u32 expert, start, end;
  const u32* order;
  DEVICE u32 pair(u32 index) const { return order ? order[index] : index; }
};

/// False when there is no such group.
DEVICE bool find_group(const ExpertsFewArgs& args, u32 index, Group& group) {
  group.order = args.order;
  if (args.groups) {
    if (index >= *args.count) return false;
    group.expert = args.groups[2 * index];
    group.start = args.groups[2 * index + 1];
    group.end = args.groups[2 * index + 3];
  } else if (args.ids) {
    // One row: its choices are the groups.
    group.expert = args.ids[index];
    group.start = index;
    group.end = index + 1;
  } else {
    group.expert = 0;
    group.start = 0;
    group.end = args.pairs;
  }
  return true;
}

template <int stored, u32 R>
DEVICE void gate_up(const ExpertsFewArgs& args, const Group& group, u32 first) {
  DYNAMIC_SHARED(float, shared);
  const float* x[R];
  UNROLL
  for (u32 row = 0; row < R; row++)
    x[row] = first + row < group.end
                 ? args.n + static_cast<u64>(group.pair(first + row) / args.top_k) * args.hidden
                 : nullptr;
  u32 column = (blockIdx.x * FEW_WARPS + warp_index()) * GATE_COLUMNS;
  WeightRows<2 * GATE_COLUMNS> weights;
  UNROLL
  for (u32 index = 0; index < GATE_COLUMNS; index++) {
    set_row<stored>(weights, 2 * index, args.matrices[3 * group.expert], column + index);
    set_row<stored>(weights, 2 * index + 1, args.matrices[3 * group.expert + 1], column + index);
  }
  float sums[2 * GATE_COLUMNS * R];
  few_dots<stored, 2 * GATE_COLUMNS, R>(weights, args.hidden, x, shared, sums);
  float gate = warp_sums(sums);
  constexpr u32 LANES = WARP / (2 * GATE_COLUMNS * R);
  // Gate and up of a column are R sums apart.
  float up = __shfl_xor_sync(ALL_LANES, gate, LANES * R);
  u32 place = lane_index() / LANES;
  bool is_gate = place / R % 2 == 0;
  column += place / R / 2;
  u32 at = first + place % R;
  if (lane_index() % LANES == 0 && is_gate && column < args.width && at < group.end)
    args.inner[static_cast<u64>(group.pair(at)) * args.width + column] = gate / (1.0f + expf(-gate)) * up;
}

template <int stored, u32 R>
DEVICE void down(const ExpertsFewArgs& args, const Group& group, u32 first) {
  DYNAMIC_SHARED(float, shared);
  const float* x[R];
  UNROLL
  for (u32 row = 0; row < R; row++)
    x[row] = first + row < group.end ? args.inner + static_cast<u64>(group.pair(first + row)) * args.width : nullptr;
  u32 column = (blockIdx.x * FEW_WARPS + warp_index()) * DOWN_COLUMNS;
  WeightRows<DOWN_COLUMNS> weights;
  UNROLL
  for (u32 index = 0; index < DOWN_COLUMNS; index++)
    set_row<stored>(weights, index, args.matrices[3 * group.expert + 2], column + index);
  float sums[DOWN_COLUMNS * R];
  few_dots<stored, DOWN_COLUMNS, R>(weights, args.width, x, shared, sums);
  float sum = warp_sums(sums);
  constexpr u32 LANES = WARP / (DOWN_COLUMNS * R);
  u32 place = lane_index() / LANES, at = first + place % R;
  column += place / R;
  if (lane_index() % LANES == 0 && column < args.hidden && at < group.end)
    args.down[static_cast<u64>(group.pair(at)) * args.hidden + column] = sum;
}

template <int stored, bool is_down, bool is_one>
DEVICE void passes(const ExpertsFewArgs& args, const Group& group) {
  for (u32 first = group.start; first < group.end; first += FEW_ROWS) {
    u32 left = group.end - first;
    if constexpr (is_one) {
      if constexpr (is_down) down<stored, 1>(args, group, first);
      else gate_up<stored, 1>(args, group, first);
    } else if constexpr (is_down) {
      if (left == 1) down<stored, 1>(args, group, first);
      else if (left == 2) down<stored, 2>(args, group, first);
      else down<stored, 4>(args, group, first);
    } else {
      if (left == 1) gate_up<stored, 1>(args, group, first);
      else if (left == 2) gate_up<stored, 2>(args, group, first);
      else gate_up<stored, 4>(args, group, first);
    }
  }
}

template <bool is_down, bool is_one>
DEVICE void run_group(const ExpertsFewArgs& args) {
  Group group;
  if (!find_group(args, blockIdx.y, group)) return;
  int stored = args.matrices[3 * group.expert + (is_down ? 2 : 0)].stored;
  if (stored == E4M3) passes<E4M3, is_down, is_one>(args, group);
  else if (stored == BF16) passes<BF16, is_down, is_one>(args, group);
  else passes<F32, is_down, is_one>(args, group);
}

KERNEL(gate_up_few, ExpertsFewArgs, FEW_THREADS) { run_group<false, false>(args); }

KERNEL_BLOCKS(gate_up_one, ExpertsFewArgs, FEW_THREADS, 2) { run_group<false, true>(args); }

KERNEL(down_few, ExpertsFewArgs, FEW_THREADS) { run_group<true, false>(args); }

KERNEL_BLOCKS(down_one, ExpertsFewArgs, FEW_THREADS, 2) { run_group<true, true>(args); }

KERNEL(expert_mix, ExpertsFewArgs, 256) {
  u32 column = blockIdx.y * 256 + threadIdx.x;
  if (column >= args.hidden) return;
  u64 row = blockIdx.x;
  float sum = 0.0f;
  for (u32 index = 0; index < args.top_k; index++) {
    u64 pair = row * args.top_k + index;
    sum = fmaf(args.weights ? args.weights[pair] : 1.0f, args.down[pair * args.hidden + column], sum);
  }
  args.x[row * args.hidden + column] += sum;
}
