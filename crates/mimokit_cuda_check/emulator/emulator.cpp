// The emulated device: memory with guard pages, and a scheduler that runs the threads of a block on stacks of their own.
//
// A thread runs until it waits for its warp (shuffle, __syncwarp), for its block (__syncthreads), or for a barrier in memory, or returns. When all
// lanes of a warp wait for the warp they go on; when all threads of the block wait for the block, or have returned, all go on; who waits for memory
// goes on when it says so. A warp whose lanes wait for warp and block never could go on: that is an error, as is a warp exchange with a lane that has
// returned, and a block in which nobody can go on.
#include "scheduler.h"

#include <cstdio>
#include <string>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>
#include <vector>

namespace emulator {

constinit thread_local Thread* current = nullptr;
constinit thread_local Index3 block_index, block_size, grid_size;
constinit thread_local unsigned char* shared = nullptr;

namespace {

constexpr unsigned WARP = 32;
constexpr std::size_t STACK_BYTES = 64 << 10;
/// As much as a Hopper block may use.
constexpr std::size_t SHARED_BYTES = 227 << 10;

/// Where a stack stands, as the compiler's own light setjmp keeps it: frame, stack, place; no signal mask.
using Context = void*[5];

enum class State { Ready, AtWarp, AtBlock, AtMemory, Done };

struct Fiber {
  Thread thread;
  State state;
  /// AtMemory: goes on when this holds.
  bool (*ready)(const void* of, unsigned with);
  const void* of;
  unsigned with;
  Context context;
  /// Its stack has a frame to go on from.
  bool started = false;
};

struct Scheduler {
  std::vector<Fiber> fibers;
  unsigned char* stacks = nullptr;
  std::size_t stack_count = 0;
  unsigned char* shared_memory = nullptr;
  Context home;
  Fiber* running = nullptr;
  const Kernel* kernel = nullptr;
  const void* arguments = nullptr;
  /// Per warp: two sets of 32 places.
  std::vector<std::uint64_t> places;
  /// In which order the lanes of a warp run.
  unsigned lanes[WARP];
  unsigned order;
  /// Somebody has run since the block's warps were last gone through.
  bool moved;
  /// Named barriers: who is there, and how often all were.
  struct {
    unsigned threads, rounds;
  } named[16];
  std::string problem;
};

constinit thread_local Scheduler* scheduler = nullptr;

std::vector<Kernel>& kernels() {
  static std::vector<Kernel> list;
  return list;
}

/// Goes to where a context stands. Apart from the functions that make contexts, which the compiler would otherwise think never come back.
__attribute__((noipa)) void go_to(Context& context) { __builtin_longjmp(context, 1); }

__attribute__((noipa)) void yield(State state) {
  scheduler->running->state = state;
  if (__builtin_setjmp(scheduler->running->context) == 0) go_to(scheduler->home);
}

/// First frame of a thread's stack. It stays: making one costs two system calls, so it runs the same thread of one block after another.
void enter() {
  for (;;) {
    scheduler->kernel->body(scheduler->arguments);
    yield(State::Done);
  }
}

__attribute__((noipa)) void resume(Fiber& fiber, unsigned char* stack) {
  scheduler->running = &fiber;
  current = &fiber.thread;
  fiber.state = State::Ready;
  if (__builtin_setjmp(scheduler->home) != 0) return;
  if (fiber.started) go_to(fiber.context);
  fiber.started = true;
  ucontext_t context;
  getcontext(&context);
  context.uc_stack.ss_sp = stack;
  context.uc_stack.ss_size = STACK_BYTES;
  context.uc_link = nullptr;
  makecontext(&context, enter, 0);
  setcontext(&context);
}

void prepare_stacks(std::size_t count) {
  if (scheduler->stack_count >= count) return;
  scheduler->fibers.resize(count);
  for (Fiber& fiber : scheduler->fibers) fiber.started = false;
  if (scheduler->stacks) munmap(scheduler->stacks, scheduler->stack_count * STACK_BYTES);
  void* memory = mmap(nullptr, count * STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) std::abort();
  scheduler->stacks = static_cast<unsigned char*>(memory);
  scheduler->stack_count = count;
}

/// Position `index` of `count` in the wanted order: 0 forwards, 1 backwards, else shuffled by a step that shares no factor with count.
unsigned in_order(unsigned index, unsigned count, unsigned order) {
  if (order == 0 || count < 2) return index;
  if (order == 1) return count - 1 - index;
  unsigned long long step = (order * 2654435761u) | 1u;
  auto divisor = [&](unsigned long long a, unsigned long long b) {
    while (b != 0) {
      unsigned long long rest = a % b;
      a = b;
      b = rest;
    }
    return a;
  };
  while (divisor(step, count) != 1) step += 2;
  return static_cast<unsigned>((index * step + order) % count);
}

/// Runs one warp until every lane waits for the block or memory, or is done.
bool run_warp(unsigned warp) {
  Scheduler& s = *scheduler;
  Fiber* lanes = &s.fibers[warp * WARP];
  for (;;) {
    unsigned at_warp = 0, at_memory = 0;
    for (unsigned lane : s.lanes) {
      Fiber& fiber = lanes[lane];
      if (fiber.state == State::AtMemory && fiber.ready(fiber.of, fiber.with)) fiber.state = State::Ready;
      if (fiber.state == State::Ready) {
        s.moved = true;
        resume(fiber, s.stacks + (warp * WARP + lane) * STACK_BYTES);
        if (!s.problem.empty()) return false;
      }
      at_warp += fiber.state == State::AtWarp;
      at_memory += fiber.state == State::AtMemory;
    }
    if (at_warp == 0 || at_memory > 0) return true;
    if (at_warp != WARP) {
      s.problem = "lanes of a warp wait for different things";
      return false;
    }
    for (unsigned lane = 0; lane < WARP; lane++) lanes[lane].state = State::Ready;
  }
}

void run_block(unsigned threads, unsigned order) {
  Scheduler& s = *scheduler;
  for (unsigned index = 0; index < threads; index++) {
    Fiber& fiber = s.fibers[index];
    fiber.thread = {{index, 0, 0}, index % WARP, index / WARP, 0, false, false};
    fiber.state = State::Ready;
  }
  for (auto& named : s.named) named = {0, 0};
  unsigned warps = threads / WARP;
  for (;;) {
    s.moved = false;
    for (unsigned index = 0; index < warps; index++)
      if (!run_warp(in_order(index, warps, order))) return;
    unsigned at_block = 0, at_memory = 0;
    for (unsigned index = 0; index < threads; index++) {
      at_block += s.fibers[index].state == State::AtBlock;
      at_memory += s.fibers[index].state == State::AtMemory;
    }
    if (at_memory > 0) {
      if (s.moved || run_late_copy(order)) continue;
      s.problem = "threads wait for a barrier that nobody completes";
      return;
    }
    if (at_block == 0) break;
    if (at_block != threads) {
      s.problem = "__syncthreads that not all threads of the block reach";
      return;
    }
    for (unsigned index = 0; index < threads; index++) s.fibers[index].state = State::Ready;
  }
  if (!is_asynchronous_done()) s.problem = "a block that ends before its copies and products do";
}

}  // namespace

void block_barrier() { yield(State::AtBlock); }
void warp_barrier() { yield(State::AtWarp); }

const std::uint64_t* exchange(std::uint64_t value) {
  Thread& thread = *current;
  std::uint64_t* places = &scheduler->places[(thread.warp * 2 + thread.exchanges++ % 2) * WARP];
  places[thread.lane] = value;
  yield(State::AtWarp);
  return places;
}

void fail(const char* problem) {
  scheduler->problem = problem;
  go_to(scheduler->home);
  std::abort();
}

void wait_until(bool (*ready)(const void* of, unsigned with), const void* of, unsigned with) {
  if (ready(of, with)) return;
  Fiber& fiber = *scheduler->running;
  fiber.ready = ready;
  fiber.of = of;
  fiber.with = with;
  yield(State::AtMemory);
}

void barrier_join(unsigned name, unsigned threads) {
  auto& named = scheduler->named[name];
  unsigned round = named.rounds;
  if (++named.threads == threads) {
    named.threads = 0;
    named.rounds++;
  }
  wait_until([](const void* of, unsigned with) { return *static_cast<const unsigned*>(of) != with; }, &named.rounds, round);
}

bool is_late() { return scheduler->order != 0; }

void add(const Kernel& kernel) { kernels().push_back(kernel); }

}  // namespace emulator

using namespace emulator;

/// Memory whose end touches a page that nobody may read or write; every byte is 0xff, which is NaN in every type. `alignment` divides a page.
static void* allocate(std::size_t bytes, std::size_t alignment) {
  std::size_t page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  std::size_t pages = (bytes + page - 1) / page + 1;
  void* memory = mmap(nullptr, pages * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return nullptr;
  auto* start = static_cast<unsigned char*>(memory);
  std::size_t usable = (pages - 1) * page;
  std::memset(start, 0xff, usable);
  if (mprotect(start + usable, page, PROT_NONE) != 0) return nullptr;
  // As many bytes past the end as the alignment takes stay unnoticed.
  return start + usable - (bytes + alignment - 1) / alignment * alignment;
}

extern "C" void* mimokit_emulator_allocate(std::size_t bytes) { return allocate(bytes, 16); }

extern "C" void mimokit_emulator_free(void* memory, std::size_t bytes) {
  std::size_t page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  std::size_t usable = (bytes + page - 1) / page * page;
  munmap(static_cast<unsigned char*>(memory) + (bytes + 15) / 16 * 16 - usable, usable + page);
}

/// Runs a kernel; null, or what is wrong. The words stay valid until the thread's next launch.
extern "C" const char* mimokit_emulator_launch(const char* name, const void* arguments, std::size_t argument_bytes,
                                               unsigned threads, const unsigned* grid, std::size_t shared_bytes,
                                               unsigned order) {
  const Kernel* found = nullptr;
  for (const Kernel& kernel : kernels())
    if (std::strcmp(kernel.name, name) == 0) found = &kernel;
  if (!found) return "there is no such kernel";
  if (found->threads != threads) return "the block size is not the kernel's";
  if (found->argument_bytes != argument_bytes) return "the arguments have another size than the kernel's";
  if (shared_bytes > SHARED_BYTES) return "more shared memory than a block has";
  if (threads % WARP != 0) return "blocks are made of whole warps";
  if (!scheduler) scheduler = new Scheduler;
  Scheduler& s = *scheduler;
  for (unsigned index = 0; index < WARP; index++) s.lanes[index] = in_order(index, WARP, order);
  s.order = order;
  s.kernel = found;
  s.arguments = arguments;
  s.problem.clear();
  s.places.resize(threads * 2);
  prepare_stacks(threads);
  // With a guard behind it, like device memory; as aligned as DYNAMIC_SHARED says, where what is asked for allows both.
  s.shared_memory = static_cast<unsigned char*>(allocate(shared_bytes, shared_bytes % 1024 == 0 ? 1024 : 16));
  if (!s.shared_memory) return "the host has no memory";
  shared = s.shared_memory;
  block_size = {threads, 1, 1};
  grid_size = {grid[0], grid[1], grid[2]};
  unsigned blocks = grid[0] * grid[1] * grid[2];
  for (unsigned index = 0; index < blocks && s.problem.empty(); index++) {
    unsigned block = in_order(index, blocks, order);
    block_index = {block % grid[0], block / grid[0] % grid[1], block / grid[0] / grid[1]};
    if (shared_bytes > 0 && index > 0) std::memset(s.shared_memory, 0xff, shared_bytes);
    run_block(threads, order);
  }
  mimokit_emulator_free(s.shared_memory, shared_bytes);
  // After a failure some stacks stand in the middle of a kernel.
  if (!s.problem.empty()) {
    for (Fiber& fiber : s.fibers) fiber.started = false;
    forget_asynchronous();
  }
  return s.problem.empty() ? nullptr : s.problem.c_str();
}
