//! The emulated device, and what checks and benches a device. Never shipped.

#[cfg(feature = "driver")]
pub mod bench;
pub mod checks;
pub mod cut;
#[cfg(emulated)]
pub mod emulated;
pub mod report;
