//! The emulated device refuses what a GPU could not do, and memory that nobody wrote is not a number.
#![cfg(emulated)]

use mimokit_cuda::arguments::{Arguments, Kernel, MoveRows, MoveRowsArgs, ReadProbe, ReadProbeArgs};
use mimokit_cuda::device::{Device, Memory};
use mimokit_cuda_check::emulated::{Emulated, Order};

const DEVICE: Emulated = Emulated { order: Order::Backwards, is_hopper: true };

/// Arguments of `embed` that lack a field.
#[repr(C)]
#[derive(Clone, Copy)]
struct TooShort(u64);

// SAFETY: it is not what the kernel takes, which is the point; the device must not run it.
unsafe impl Arguments for TooShort {
    const KERNEL: Kernel = Kernel { file: "embed", name: "embed", threads: 256 };
}

#[test]
fn arguments_of_another_size_are_refused() {
    // SAFETY: refused before anything is read.
    let error = unsafe { DEVICE.launch(&TooShort(0), [1, 1, 1], 0) }.expect_err("refused");
    assert!(error.to_string().contains("another size"), "{error}");
}

#[test]
fn copies_beyond_memory_and_grids_beyond_the_hardware_are_refused() {
    let memory = DEVICE.allocate(100).expect("memory");
    assert!(DEVICE.upload(&memory, 90, &[0; 11]).is_err());
    assert!(DEVICE.download(&memory, 101, &mut []).is_err());
    assert!(DEVICE.copy((&memory, 0), (&memory, 60), 50).is_err());
    let arguments = MoveRows(MoveRowsArgs::default());
    // SAFETY: refused before anything is read.
    assert!(unsafe { DEVICE.launch(&arguments, [1, 70_000, 1], 0) }.is_err());
    // SAFETY: an empty grid runs nothing.
    assert!(unsafe { DEVICE.launch(&arguments, [0, 1, 1], 0) }.is_ok());
}

#[test]
fn memory_begins_as_nan_and_rows_arrive_where_they_are_sent() {
    let (from, to) = (DEVICE.allocate(2 * 5 * 4).expect("memory"), DEVICE.allocate(3 * 5 * 4).expect("memory"));
    let values: Vec<u8> = (0..10).flat_map(|value| (value as f32).to_le_bytes()).collect();
    DEVICE.upload(&from, 0, &values).expect("an upload");
    let lists = DEVICE.allocate(16).expect("memory");
    let words: Vec<u8> = [1u32, 0, 0, 2].iter().flat_map(|word| word.to_le_bytes()).collect();
    DEVICE.upload(&lists, 0, &words).expect("an upload");
    let arguments = MoveRowsArgs {
        x: from.address(),
        rows: lists.address(),
        targets: lists.address() + 8,
        out: to.address(),
        width: 5,
        ..MoveRowsArgs::default()
    };
    // SAFETY: two rows of five go to rows 0 and 2 of three.
    unsafe { DEVICE.launch(&MoveRows(arguments), [2, 1, 1], 0) }.expect("a launch");
    let mut bytes = vec![0; to.bytes()];
    DEVICE.download(&to, 0, &mut bytes).expect("a download");
    let rows: Vec<f32> = bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    assert_eq!(rows[..5], [5.0, 6.0, 7.0, 8.0, 9.0]);
    assert!(rows[5..10].iter().all(|value| value.is_nan()));
    assert_eq!(rows[10..], [0.0, 1.0, 2.0, 3.0, 4.0]);
}

#[test]
fn the_bandwidth_probe_stays_inside_of_what_it_reads() {
    // The page behind is guarded: one load too many ends the process.
    let (memory, sums) = (DEVICE.allocate(16 * 5000).expect("memory"), DEVICE.allocate(4 * 2).expect("memory"));
    let arguments = ReadProbeArgs { from: memory.address(), sums: sums.address(), loads: 5000 };
    // SAFETY: as many loads as there are, two blocks and two sums.
    unsafe { DEVICE.launch(&ReadProbe(arguments), [2, 1, 1], 0) }.expect("a launch");
}
