//! Checks and benches the CUDA backend on this machine's GPU, or on the emulated device; needs neither Node nor a network.
//! Prints JSON lines and exits with 1 when a check failed, 3 when there is no device.
//!
//! mimokit-cuda-check [--emulated] [--gpu N] [--checkpoint DIR]... [--only WORDS] [--bench]
//! mimokit-cuda-check --cut FROM TO --layers N --vocab N
//! The second form writes the first layers and ids of a checkpoint, for --checkpoint on a machine that the whole cannot be carried to.
//! MIMOKIT_FIXTURES names the unpacked fixtures when they are not where this was built.

use std::path::PathBuf;
use std::process::ExitCode;

use mimokit_cuda::device::Device;
use mimokit_cuda::{CudaBackend, CudaOptions};
use mimokit_cuda_check::checks;
use mimokit_cuda_check::cut::cut;
use mimokit_cuda_check::report::{Report, line};
use mimokit_reference::goldens::Setup;
use serde_json::json;

#[derive(Default)]
struct Arguments {
    emulated: bool,
    gpu: usize,
    checkpoints: Vec<PathBuf>,
    only: Option<String>,
    bench: bool,
    cut: Option<[PathBuf; 2]>,
    layers: usize,
    vocab: usize,
}

fn main() -> ExitCode {
    let arguments = match parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(problem) => {
            eprintln!(
                "{problem}\nusage: mimokit-cuda-check [--emulated] [--gpu N] [--checkpoint DIR]... [--only WORDS] [--bench]\n       \
                 mimokit-cuda-check --cut FROM TO --layers N --vocab N"
            );
            return ExitCode::from(2);
        }
    };
    if let Some([from, to]) = &arguments.cut {
        return match cut(from, to, arguments.layers, arguments.vocab) {
            Ok(()) => ExitCode::SUCCESS,
            Err(problem) => {
                eprintln!("{problem}");
                ExitCode::FAILURE
            }
        };
    }
    let mut report = Report { only: arguments.only.clone(), ..Report::default() };
    let ran = if arguments.emulated { emulated(&arguments, &mut report) } else { gpu(&arguments, &mut report) };
    if let Err(problem) = ran {
        line(&json!({ "device": null, "problem": problem }));
        return ExitCode::from(3);
    }
    report.finish();
    ExitCode::from(u8::from(report.failed > 0))
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Arguments, String> {
    let mut arguments = Arguments::default();
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
        let number = |text: String| text.parse().map_err(|_| format!("{text} is no number"));
        match word.as_str() {
            "--emulated" => arguments.emulated = true,
            "--bench" => arguments.bench = true,
            "--gpu" => arguments.gpu = number(value()?)?,
            "--cut" => arguments.cut = Some([value()?.into(), value()?.into()]),
            "--layers" => arguments.layers = number(value()?)?,
            "--vocab" => arguments.vocab = number(value()?)?,
            "--checkpoint" => arguments.checkpoints.push(value()?.into()),
            "--only" => arguments.only = Some(value()?),
            other => return Err(format!("{other} is not known")),
        }
    }
    Ok(arguments)
}

/// All checks on a device that `open` makes.
fn check<D: Device>(arguments: &Arguments, report: &mut Report, open: impl Fn() -> D) {
    let make = |setup: Setup| {
        let options = CudaOptions { kv: setup.kv, quantise_activations: setup.fp8_activations };
        CudaBackend::new(open(), options)
    };
    checks::ops(report, &make);
    checks::goldens(report, &make);
    checks::laws(report, &make);
    for directory in &arguments.checkpoints {
        checks::checkpoint(report, directory, Setup::EXACT, &make);
    }
}

#[cfg(emulated)]
fn emulated(arguments: &Arguments, report: &mut Report) -> Result<(), String> {
    use mimokit_cuda_check::emulated::{Emulated, Order};
    line(&json!({ "device": "emulated" }));
    check(arguments, report, || Emulated { order: Order::Forwards, is_hopper: true });
    Ok(())
}

#[cfg(not(emulated))]
fn emulated(_: &Arguments, _: &mut Report) -> Result<(), String> {
    Err("there was no C++ compiler when this was built".into())
}

#[cfg(feature = "driver")]
fn gpu(arguments: &Arguments, report: &mut Report) -> Result<(), String> {
    use mimokit_cuda::driver::{self, Gpu};
    let machine = driver::report();
    let gpus: Vec<_> = machine
        .gpus
        .iter()
        .map(|gpu| json!({ "name": gpu.name, "capability": [gpu.capability.0, gpu.capability.1], "bytes": gpu.memory_bytes, "target": gpu.target }))
        .collect();
    line(&json!({
        "driver": machine.driver, "gpus": gpus, "image_files": machine.image_files, "image_bytes": machine.image_bytes,
        "targets": machine.targets, "unused": machine.unused,
    }));
    Gpu::open(arguments.gpu).map_err(|error| error.to_string())?;
    check(arguments, report, || Gpu::open(arguments.gpu).expect("the GPU opened before"));
    if arguments.bench {
        mimokit_cuda_check::bench::run(report, arguments.gpu).map_err(|error| error.to_string())?;
    }
    Ok(())
}

#[cfg(not(feature = "driver"))]
fn gpu(_: &Arguments, _: &mut Report) -> Result<(), String> {
    Err("this build has no driver; it was built without that feature".into())
}
