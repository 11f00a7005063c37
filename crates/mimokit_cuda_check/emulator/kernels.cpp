// Every kernel file of mimokit_cuda as one translation unit, so that names are unique in it as they are on a device.
#include "attn_global.cu"
#include "attn_split.cu"
#include "attn_window.cu"
#include "embed.cu"
#include "experts_few.cu"
#include "fp8_mma.cu"
#include "hopper/fp8_wgmma.cu"
#include "kv.cu"
#include "linear.cu"
#include "linear_few.cu"
#include "moe.cu"
#include "mtp_join.cu"
#include "norm.cu"
#include "pick.cu"
#include "places.cu"
#include "probe.cu"
#include "qkv_rope.cu"
#include "quantise.cu"
#include "router.cu"
#include "rows.cu"

/// Named from Rust, so that the linker keeps this file and its registrations.
extern "C" void mimokit_emulator_kernels() {}
