// Barriers, boxes and warpgroup products of the emulated device: hopper.h says which word is which.
#include "scheduler.h"

#include "device/arguments.cuh"
#include "hopper.h"

namespace emulator {

namespace {

/// A copy that has not happened yet.
struct Copy {
  unsigned char* to;
  const void* from;
  unsigned x, y, z;
  /// Of a bulk copy; 0 of a box.
  unsigned bytes;
  std::uint64_t* barrier;
};

/// A product whose sums nobody may read yet.
struct Product {
  float* sums;
  unsigned columns;
  std::uint64_t a, b;
  bool adds;
};

std::vector<Copy>& copies() {
  static thread_local std::vector<Copy> list;
  return list;
}

/// By thread of the block.
std::vector<std::vector<Product>>& products() {
  static thread_local std::vector<std::vector<Product>> lists;
  return lists;
}

/// The map's words: base, sizes of three dimensions, strides of the outer two, tile, element bytes; mimokit_cuda_check/src/emulated.rs writes them.
struct Box {
  std::uint64_t base, size[3], stride[2], tile[3], element;
};

unsigned box_bytes(const Box& box) {
  return static_cast<unsigned>(box.tile[0] * box.tile[1] * box.tile[2] * box.element);
}

void copy_box(const Copy& copy) {
  Box box;
  std::memcpy(&box, copy.from, sizeof(box));
  unsigned row_bytes = static_cast<unsigned>(box.tile[0] * box.element);
  unsigned start = shared_offset(copy.to);
  for (std::uint64_t z = 0; z < box.tile[2]; z++)
    for (std::uint64_t y = 0; y < box.tile[1]; y++)
      for (unsigned byte = 0; byte < row_bytes; byte++) {
        std::uint64_t at[3] = {copy.x + byte / box.element, copy.y + y, copy.z + z};
        bool is_inside = at[0] < box.size[0] && at[1] < box.size[1] && at[2] < box.size[2];
        auto* from = reinterpret_cast<const unsigned char*>(box.base) + at[2] * box.stride[1] + at[1] * box.stride[0] +
                     at[0] * box.element + byte % box.element;
        unsigned to = start + static_cast<unsigned>(z * box.tile[1] + y) * row_bytes + byte;
        shared[swizzled(to)] = is_inside ? *from : 0;
      }
}

void run_copy(const Copy& copy) {
  unsigned bytes = copy.bytes;
  if (bytes > 0) {
    std::memcpy(copy.to, copy.from, bytes);
  } else {
    copy_box(copy);
    Box box;
    std::memcpy(&box, copy.from, sizeof(box));
    bytes = box_bytes(box);
  }
  barrier_settle(copy.barrier, 0, -static_cast<int>(bytes));
}

float number(unsigned at) {
  unsigned char byte = shared[swizzled(at)];
  return decode_e4m3(byte);
}

/// Address of byte `k` of row `row` of a descriptor's tile, before the swizzle.
unsigned element_at(std::uint64_t descriptor, unsigned row, unsigned k) {
  unsigned start = static_cast<unsigned>(descriptor & 0x3fff) << 4;
  unsigned stride = static_cast<unsigned>(descriptor >> 32 & 0x3fff) << 4;
  return start + row / 8 * stride + row % 8 * 128 + k;
}

void run_product(const Product& product) {
  unsigned lane = current->lane, row = current->warp % 4 * 16 + lane / 4;
  constexpr unsigned DEPTH = 32;
  float a[2][DEPTH];
  for (unsigned upper = 0; upper < 2; upper++)
    for (unsigned k = 0; k < DEPTH; k++) a[upper][k] = number(element_at(product.a, row + 8 * upper, k));
  for (unsigned j = 0; j < product.columns / 8; j++)
    for (unsigned odd = 0; odd < 2; odd++) {
      float b[DEPTH];
      for (unsigned k = 0; k < DEPTH; k++) b[k] = number(element_at(product.b, 8 * j + 2 * (lane % 4) + odd, k));
      for (unsigned upper = 0; upper < 2; upper++) {
        float& sum = product.sums[4 * j + 2 * upper + odd];
        float total = product.adds ? sum : 0.0f;
        for (unsigned k = 0; k < DEPTH; k++) total = fmaf(a[upper][k], b[k], total);
        sum = total;
      }
    }
}

std::vector<Product>& own_products() {
  auto& lists = products();
  if (lists.size() <= current->index.x) lists.resize(current->index.x + 1);
  return lists[current->index.x];
}

}  // namespace

void barrier_settle(std::uint64_t* barrier, int arrivals, int bytes) {
  BarrierState state;
  std::memcpy(&state, barrier, sizeof(state));
  if (static_cast<int>(state.missing) < arrivals) fail("more arrivals at a barrier than it waits for");
  state.missing -= static_cast<unsigned>(arrivals);
  state.bytes += bytes;
  if (state.missing == 0 && state.bytes == 0) {
    state.missing = state.count;
    state.phase ^= 1;
  }
  std::memcpy(barrier, &state, sizeof(state));
}

void copy_later(void* to, const void* from, unsigned x, unsigned y, unsigned z, unsigned bytes, std::uint64_t* barrier) {
  Copy copy{static_cast<unsigned char*>(to), from, x, y, z, bytes, barrier};
  if (bytes % 16 != 0) fail("a bulk copy of a size that is no multiple of 16");
  if (bytes == 0) {
    Box box;
    std::memcpy(&box, from, sizeof(box));
    if (shared_offset(to) % 1024 != 0) fail("a swizzled tile that does not begin at a multiple of 1024 bytes");
    if (box.tile[0] * box.element != 128) fail("a tile whose rows are not 128 bytes");
    bytes = box_bytes(box);
  }
  if (!is_late()) return run_copy(copy);
  std::memset(to, 0xff, bytes);
  copies().push_back(copy);
}

bool run_late_copy(unsigned order) {
  auto& list = copies();
  if (list.empty()) return false;
  // Copies of one thread may arrive in any order.
  std::size_t index = order % list.size();
  Copy copy = list[index];
  list.erase(list.begin() + static_cast<std::ptrdiff_t>(index));
  run_copy(copy);
  return true;
}

void forget_asynchronous() {
  copies().clear();
  for (auto& list : products()) list.clear();
}

bool is_asynchronous_done() {
  bool is_done = copies().empty();
  for (auto& list : products()) is_done = is_done && list.empty();
  return is_done;
}

void multiply_later(float* sums, unsigned columns, std::uint64_t a, std::uint64_t b, bool adds) {
  if (!current->may_multiply) fail("a product without the fence that goes before it");
  if (a >> 62 != 1 || b >> 62 != 1) fail("a descriptor without the swizzle of 128 bytes");
  Product product{sums, columns, a, b, adds};
  if (is_late()) own_products().push_back(product);
  else run_product(product);
  current->open_products = true;
}

void products_fence() {
  warp_barrier();
  current->may_multiply = true;
}

void products_close() {
  current->may_multiply = false;
  current->open_products = false;
}

void products_done() {
  if (current->open_products) fail("a wait for products that no group holds");
  for (const Product& product : own_products()) run_product(product);
  own_products().clear();
  warp_barrier();
}

}  // namespace emulator
