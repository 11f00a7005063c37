//! The compiled kernels that this build embeds.

/// One kernel file for one target.
#[derive(Clone, Copy)]
pub struct Image {
    /// File below kernels/, without ending. Those below hopper/ are for sm_90a only.
    pub file: &'static str,
    /// `sm_90a` (machine code of Hopper) or `compute_80` (PTX for every card from Ampere on, compiled by the driver).
    pub target: &'static str,
    /// A cubin, or PTX text with its closing zero.
    pub bytes: &'static [u8],
}

/// What ptxas reports of a kernel: bytes a thread needs beyond its registers, and bytes it moves for want of them.
#[derive(Clone, Copy, Debug)]
pub struct Resources {
    pub file: &'static str,
    pub kernel: &'static str,
    /// `sm_90a` or `sm_80`.
    pub target: &'static str,
    pub registers: u32,
    pub stack_bytes: u32,
    pub spill_stores: u32,
    pub spill_loads: u32,
}

include!(concat!(env!("OUT_DIR"), "/images.rs"));

/// Which target a card of this compute capability loads.
pub fn target_for(capability: (i32, i32)) -> Option<&'static str> {
    match capability {
        (9, 0) => Some("sm_90a"),
        (major, _) if major >= 8 => Some("compute_80"),
        _ => None,
    }
}

/// Bytes of all images.
pub fn total_bytes() -> usize {
    IMAGES.iter().map(|image| image.bytes.len()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arguments::KERNELS;

    #[test]
    fn every_kernel_is_in_an_image_of_every_target_or_there_are_none() {
        for kernel in KERNELS.iter().filter(|_| !IMAGES.is_empty()) {
            for target in ["sm_90a", "compute_80"] {
                if target != "sm_90a" && kernel.file.starts_with("hopper/") {
                    continue;
                }
                let image = IMAGES.iter().find(|image| image.file == kernel.file && image.target == target);
                let image = image.unwrap_or_else(|| panic!("{} for {target}", kernel.file));
                let name = kernel.name.as_bytes();
                assert!(image.bytes.windows(name.len()).any(|part| part == name), "{} in {target}", kernel.name);
            }
        }
        assert!(total_bytes() <= 10 << 20, "{} bytes", total_bytes());
    }

    #[test]
    fn no_kernel_spills_registers_by_ptxas_own_report() {
        for resources in RESOURCES {
            let spills = resources.stack_bytes + resources.spill_stores + resources.spill_loads;
            assert_eq!(spills, 0, "{resources:?}");
        }
        let reported = |kernel: &str| RESOURCES.iter().any(|resources| resources.kernel == kernel);
        assert!(RESOURCES.is_empty() || KERNELS.iter().all(|kernel| reported(kernel.name)), "a report for each kernel");
    }

    #[test]
    fn a_card_gets_the_image_it_can_run() {
        assert_eq!(target_for((9, 0)), Some("sm_90a"));
        assert_eq!(target_for((8, 6)), Some("compute_80"));
        assert_eq!(target_for((12, 0)), Some("compute_80"));
        assert_eq!(target_for((7, 5)), None);
    }
}
