//! Compiles kernels/*.cu where nvcc is found: a cubin for sm_90a and (but for kernels/hopper) PTX for compute_80, each file alone, embedded by images.rs; and
//! ptxas's own report on registers and spills, which a test reads. Where there is no nvcc the crate builds without images and says
//! so at run time. Nothing is downloaded here: scripts/cuda-toolchain.mjs unpacks a pinned toolkit where none is installed.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

const FLAGS: [&str; 4] = ["-O3", "-std=c++17", "-Xptxas=-v", "-Werror=all-warnings"];

/// The folder of kernels that only Hopper has instructions for.
const HOPPER: &str = "hopper";

/// What nvcc and ptxas made of one file.
struct Compiled {
    file: String,
    images: Vec<(&'static str, PathBuf)>,
    /// (target, ptxas's words).
    reports: Vec<(&'static str, String)>,
}

fn main() {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let kernels = Path::new(env!("CARGO_MANIFEST_DIR")).join("kernels");
    println!("cargo::rerun-if-changed=kernels");
    println!("cargo::rerun-if-changed=build.rs");
    for name in ["MIMOKIT_NVCC", "CUDA_HOME", "CUDA_PATH"] {
        println!("cargo::rerun-if-env-changed={name}");
    }
    let compiled = match find_nvcc() {
        Some(nvcc) => compile_all(&nvcc, &kernels, &out),
        None if env::var_os("CARGO_FEATURE_REQUIRE_NVCC").is_some() => {
            panic!("the feature require-nvcc is on and no nvcc was found; run node scripts/cuda-toolchain.mjs")
        }
        None => Vec::new(),
    };
    fs::write(out.join("images.rs"), tables(&compiled)).expect("OUT_DIR can be written");
}

/// MIMOKIT_NVCC (a path, or `none` for a build without kernels), an installed toolkit, the repository's own, then PATH.
fn find_nvcc() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("crates/mimokit_cuda");
    // cargo takes a path that is missing as always changed, so the stamp is named only where it is; the script that writes it
    // touches this file.
    let stamp = root.join(".cache/cuda-toolchain.stamp");
    if stamp.is_file() {
        println!("cargo::rerun-if-changed={}", stamp.display());
    }
    let named = env::var_os("MIMOKIT_NVCC").map(PathBuf::from);
    if named.as_deref() == Some(Path::new("none")) {
        return None;
    }
    let homes =
        ["CUDA_HOME", "CUDA_PATH"].iter().filter_map(env::var_os).map(|home| PathBuf::from(home).join("bin/nvcc"));
    let path = env::var_os("PATH").unwrap_or_default();
    let on_path = env::split_paths(&path).map(|folder| folder.join("nvcc")).collect::<Vec<_>>();
    named
        .into_iter()
        .chain(homes)
        .chain([root.join(".cache/cuda/home/bin/nvcc")])
        .chain(on_path)
        .find(|nvcc| nvcc.is_file())
}

/// All files, as many at once as cargo allows this build.
fn compile_all(nvcc: &Path, kernels: &Path, out: &Path) -> Vec<Compiled> {
    let mut files: Vec<PathBuf> = [kernels, &kernels.join(HOPPER)]
        .iter()
        .flat_map(|folder| fs::read_dir(folder).expect("kernels/ can be read"))
        .map(|entry| entry.expect("kernels/ can be read").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "cu"))
        .collect();
    files.sort();
    let jobs = env::var("NUM_JOBS").ok().and_then(|jobs| jobs.parse().ok()).unwrap_or(1);
    let next = AtomicUsize::new(0);
    let mut compiled: Vec<Compiled> = std::thread::scope(|scope| {
        let worker = || {
            let mut done = Vec::new();
            while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                done.push(compile(nvcc, file, out));
            }
            done
        };
        let workers: Vec<_> = (0..jobs).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("a file compiles")).collect()
    });
    compiled.sort_by(|a, b| a.file.cmp(&b.file));
    compiled
}

fn compile(nvcc: &Path, source: &Path, out: &Path) -> Compiled {
    let name = source.file_stem().expect("a name").to_string_lossy().into_owned();
    let cubin = out.join(format!("{name}.sm_90a.cubin"));
    let is_for_hopper = source.parent().is_some_and(|folder| folder.ends_with(HOPPER));
    let file = if is_for_hopper { format!("{HOPPER}/{name}") } else { name.clone() };
    let hopper = ["-cubin", "-gencode=arch=compute_90a,code=sm_90a"];
    let mut compiled = Compiled { file, images: Vec::new(), reports: Vec::new() };
    compiled.reports.push(("sm_90a", run(nvcc, &hopper, source, &cubin)));
    compiled.images.push(("sm_90a", cubin));
    if is_for_hopper {
        return compiled;
    }
    let ptx = out.join(format!("{name}.compute_80.ptx"));
    run(nvcc, &["-ptx", "-arch=compute_80"], source, &ptx);
    compiled.reports.push(("sm_80", assemble(nvcc, &ptx)));
    // The driver takes PTX as text that ends in a zero.
    let mut bytes = fs::read(&ptx).expect("nvcc wrote the PTX");
    bytes.push(0);
    fs::write(&ptx, bytes).expect("OUT_DIR can be written");
    compiled.images.push(("compute_80", ptx));
    compiled
}

fn run(nvcc: &Path, target: &[&str], source: &Path, to: &Path) -> String {
    let result = Command::new(nvcc).args(FLAGS).args(target).arg("-o").arg(to).arg(source).output();
    let result = result.unwrap_or_else(|error| panic!("{}: {error}", nvcc.display()));
    let words = String::from_utf8_lossy(&result.stderr).into_owned() + &String::from_utf8_lossy(&result.stdout);
    assert!(result.status.success(), "nvcc failed on {} ({target:?}):\n{words}", source.display());
    words
}

/// What the driver will make of the PTX on an sm_80 card, for its report.
fn assemble(nvcc: &Path, ptx: &Path) -> String {
    let assembler = nvcc.with_file_name(if cfg!(windows) { "ptxas.exe" } else { "ptxas" });
    let result =
        Command::new(&assembler).args(["-v", "-arch=sm_80", "-o"]).arg(ptx.with_extension("cubin")).arg(ptx).output();
    let result = result.unwrap_or_else(|error| panic!("{}: {error}", assembler.display()));
    let words = String::from_utf8_lossy(&result.stderr).into_owned();
    assert!(result.status.success(), "ptxas failed on {}:\n{words}", ptx.display());
    words
}

/// Rust source of IMAGES and RESOURCES.
fn tables(compiled: &[Compiled]) -> String {
    let mut text =
        String::from("/// All images of this build; none when there was no nvcc.\npub static IMAGES: &[Image] = &[\n");
    for Compiled { file, images, .. } in compiled {
        for (target, path) in images {
            let _ = writeln!(
                text,
                "    Image {{ file: {file:?}, target: {target:?}, bytes: include_bytes!({:?}) }},",
                path.display().to_string()
            );
        }
    }
    text += "];\n/// What ptxas said of every kernel.\npub static RESOURCES: &[Resources] = &[\n";
    for Compiled { file, reports, .. } in compiled {
        for (target, report) in reports {
            text += &resources(file, target, report);
        }
    }
    text + "];\n"
}

/// "Function properties for NAME", then "A bytes stack frame, B bytes spill stores, C bytes spill loads", then "Used N registers, …".
fn resources(file: &str, target: &str, report: &str) -> String {
    let number_before = |line: &str, words: &str| -> u32 {
        let before = line.split(words).next().unwrap_or_default();
        before.trim_end().rsplit([' ', ',']).next().and_then(|number| number.parse().ok()).unwrap_or(0)
    };
    let mut text = String::new();
    let (mut kernel, mut frame) = (String::new(), [0; 3]);
    for line in report.lines() {
        if let Some((_, name)) = line.split_once("Function properties for ") {
            kernel = name.trim().into();
        } else if line.contains("bytes stack frame") {
            frame = [" bytes stack frame", " bytes spill stores", " bytes spill loads"]
                .map(|words| number_before(line, words));
        } else if line.contains(" registers") && !kernel.is_empty() {
            let registers = number_before(line, " registers");
            let [stack, stores, loads] = frame;
            let _ = writeln!(
                text,
                "    Resources {{ file: {file:?}, kernel: {kernel:?}, target: {target:?}, registers: {registers}, \
                 stack_bytes: {stack}, spill_stores: {stores}, spill_loads: {loads} }},"
            );
        }
    }
    text
}
