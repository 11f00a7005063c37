// What the emulator's files share of its scheduler (emulator.cpp).
#pragma once
#include "emulator.h"

#include <vector>

namespace emulator {

/// Asynchronous work happens as late as it may, in this launch.
bool is_late();

/// Runs one copy that waits; false when there is none. hopper.cpp.
bool run_late_copy(unsigned order);
/// Whether the block left nothing behind.
bool is_asynchronous_done();
void forget_asynchronous();

}  // namespace emulator
