//! Compiles the kernels of mimokit_cuda for the host, with emulator.h in place of CUDA. Only Unix has the contexts that threads of a
//! block need; elsewhere, and where there is no C++ compiler, the emulated device says that it is not there.

use std::path::Path;

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let kernels = root.join("../mimokit_cuda/kernels");
    println!("cargo::rerun-if-changed=emulator");
    println!("cargo::rerun-if-changed={}", kernels.display());
    println!("cargo::rustc-check-cfg=cfg(emulated)");
    let unix = std::env::var_os("CARGO_CFG_UNIX").is_some();
    let mut build = cc::Build::new();
    build
        .cpp(true)
        .std("c++20")
        .opt_level(2)
        .debug(false)
        // The order and rounding of every operation is the source's, as nvcc is told too: fused only where it says fmaf.
        .flag("-ffp-contract=off")
        .flag("-fno-strict-aliasing")
        // longjmp between stacks is what the emulator is made of.
        .flag("-U_FORTIFY_SOURCE")
        .flag("-Wno-unknown-pragmas")
        .include(root.join("emulator"))
        .include(&kernels)
        .file(root.join("emulator/emulator.cpp"))
        .file(root.join("emulator/hopper.cpp"))
        .file(root.join("emulator/kernels.cpp"));
    if !unix || build.try_get_compiler().is_err() {
        println!("cargo::warning=no C++ compiler: the emulated device is left out");
        return;
    }
    build.compile("mimokit_emulator");
    println!("cargo::rustc-cfg=emulated");
}
