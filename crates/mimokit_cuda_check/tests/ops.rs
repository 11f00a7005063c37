//! Every op against the slow reference, on all awkward cases: the kernels and the driver code of mimokit_cuda on the emulated device.
#![cfg(emulated)]

use mimokit_cuda::{CudaBackend, CudaOptions};
use mimokit_cuda_check::emulated::{Emulated, Order};
use mimokit_reference::cases;
use mimokit_reference::goldens::Setup;

fn backend(order: Order, is_hopper: bool, setup: Setup) -> CudaBackend<Emulated> {
    let options = CudaOptions { kv: setup.kv, quantise_activations: setup.fp8_activations };
    CudaBackend::new(Emulated { order, is_hopper }, options)
}

#[test]
fn ops_agree_with_the_reference() {
    cases::check_ops(&|setup| backend(Order::Forwards, false, setup));
}

#[test]
fn ops_do_not_depend_on_the_order_of_threads() {
    cases::check_ops(&|setup| backend(Order::Shuffled(7), true, setup));
}
