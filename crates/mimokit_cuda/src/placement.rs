//! Which experts lie on the device and which stay in host memory, where the CPU engine runs them. Experts are 98 of 100 parameters of MiMo-V2-Flash, so
//! nothing else is ever placed: attention, router, dense layers, embedding, head and MTP heads are on the device, or the model is not.
//!
//! The plan is a function of sizes. A layer's experts lie together: a row's sums come from one engine whatever the batch, as the step wants it.

use mimokit_checkpoint::Checkpoint;
use mimokit_model::backend::{ExpertSource, HostRoutes};
use mimokit_model::kv::{KvDtype, KvLayout, KvShape};
use mimokit_model::{ModelOptions, Result as ModelResult};

use crate::error::{Error, Result};

/// Left free for what a step computes with, and for the driver.
const STEP_BYTES: u64 = 3 << 29;

/// What a model asks of a device's memory, in bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Weights that are no experts.
    pub fixed: u64,
    /// Pools of keys and values.
    pub pools: u64,
    /// The experts of each MoE layer, in layer order.
    pub experts: Vec<u64>,
}

impl Needs {
    /// Sizes from the checkpoint's headers and the pools that `options` ask for.
    ///
    /// # Errors
    /// Those of the checkpoint, and of pool sizes that hold nothing.
    pub fn of(checkpoint: &Checkpoint, options: &ModelOptions, kv: KvDtype) -> ModelResult<Needs> {
        let config = checkpoint.config();
        let mut experts = Vec::new();
        if let Some(moe) = &config.moe {
            for layer in (0..config.layers.len()).filter(|&layer| config.layers[layer].moe) {
                // All experts of a layer have one expert's shapes and types, which loading checks.
                let one = checkpoint.expert(layer, 0, moe.width)?;
                let bytes = |linear: &mimokit_checkpoint::Linear| {
                    let scales = linear.scales.as_ref().map_or(0, |scales| 4 * (scales.values.len() + linear.rows));
                    (linear.bytes.len() + scales) as u64
                };
                let each = bytes(&one.gate) + bytes(&one.up) + bytes(&one.down);
                experts.push(each * moe.experts as u64);
            }
        }
        let fixed = checkpoint.total_bytes().saturating_sub(experts.iter().sum());
        Ok(Needs { fixed, pools: pool_bytes(checkpoint, options, kv)?, experts })
    }

    /// Everything.
    pub fn total(&self) -> u64 {
        self.fixed + self.pools + self.experts.iter().sum::<u64>()
    }
}

/// Bytes of the pools that a model with these options has.
fn pool_bytes(checkpoint: &Checkpoint, options: &ModelOptions, kv: KvDtype) -> ModelResult<u64> {
    let config = checkpoint.config();
    let shape = |attention: &mimokit_checkpoint::AttentionConfig| KvShape {
        kv_heads: attention.kv_heads,
        qk_dim: attention.qk_dim,
        v_dim: attention.v_dim,
    };
    let heads = checkpoint.mtp_heads();
    let rings = config.sliding_layers() + heads;
    let window = options.window_keys.or(config.sliding.as_ref().and_then(|sliding| sliding.window_keys));
    let layout = KvLayout {
        block_tokens: options.block_tokens,
        blocks: 0,
        windows: 0,
        global: vec![shape(&config.global); config.global_layers()],
        rings: config.sliding.as_ref().map(|sliding| vec![shape(sliding); rings]).unwrap_or_default(),
        ring: window.unwrap_or(1) + heads.max(1) - 1,
        kept_hidden: heads,
        hidden: config.hidden_size,
    };
    let (blocks, windows) = options.pools.plan(&layout, kv, config.context_length)?;
    Ok((blocks * layout.block_bytes(kv) + windows * layout.window_bytes(kv)) as u64)
}

/// For each MoE layer, whether its experts lie on the device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Placement(Vec<bool>);

impl Placement {
    /// Experts of as many layers as `free` bytes hold beside all the rest, earlier layers first.
    ///
    /// # Errors
    /// `OutOfMemory` when the rest alone does not fit.
    pub fn plan(needs: &Needs, free: u64) -> Result<Placement> {
        let rest = needs.fixed + needs.pools + STEP_BYTES;
        let Some(mut left) = free.checked_sub(rest) else {
            return Err(Error::OutOfMemory { wanted: rest as usize, free: free as usize, total: free as usize });
        };
        let mut fits = |bytes: &u64| match left.checked_sub(*bytes) {
            Some(rest) => {
                left = rest;
                true
            }
            None => false,
        };
        Ok(Placement(needs.experts.iter().map(&mut fits).collect()))
    }

    /// Experts of these layers on the device.
    pub fn of(on_device: &[bool]) -> Placement {
        Placement(on_device.to_vec())
    }

    /// Layers with experts that stay on the host.
    pub fn kept(&self) -> usize {
        self.0.iter().filter(|on_device| !**on_device).count()
    }

    /// Whether the experts of MoE layer `layer`, counted among those, lie on the device.
    pub fn is_on_device(&self, layer: usize) -> bool {
        self.0.get(layer).copied().unwrap_or(true)
    }
}

/// Mixes the experts of one layer on the host: routes and normalised rows in, [rows, hidden] out.
pub type Mix = Box<dyn Fn(HostRoutes, &[f32]) -> ModelResult<Vec<f32>> + Send + Sync>;

/// Keeps a layer's experts in host memory.
pub type Keep = Box<dyn Fn(Vec<ExpertSource>) -> ModelResult<Mix> + Send + Sync>;

/// What stays on the host, and who runs it.
pub struct Host {
    pub placement: Placement,
    pub keep: Keep,
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    fn needs() -> Needs {
        Needs { fixed: 10 * GIB, pools: GIB, experts: vec![6 * GIB; 47] }
    }

    fn on_device(free: u64) -> usize {
        let placement = Placement::plan(&needs(), free).expect("a plan");
        (0..47).filter(|&layer| placement.is_on_device(layer)).count()
    }

    #[test]
    fn a_device_that_holds_all_keeps_all() {
        assert_eq!(on_device(needs().total() + STEP_BYTES), 47);
        assert_eq!(on_device(needs().total() + STEP_BYTES - 1), 46);
    }

    #[test]
    fn earlier_layers_come_first_and_the_rest_stays_on_the_host() {
        let placement = Placement::plan(&needs(), 80 * GIB).expect("a plan");
        // 80 - 10 - 1 - 1.5 GiB hold eleven times six.
        assert_eq!(placement.kept(), 36);
        assert!((0..11).all(|layer| placement.is_on_device(layer)) && !placement.is_on_device(11));
    }

    #[test]
    fn a_small_layer_may_still_fit_behind_a_large_one() {
        let needs = Needs { experts: vec![6 * GIB, 9 * GIB, GIB], ..needs() };
        let placement = Placement::plan(&needs, 20 * GIB).expect("a plan");
        assert_eq!(placement, Placement::of(&[true, false, true]));
    }

    #[test]
    fn a_device_too_small_for_the_rest_is_refused() {
        let error = Placement::plan(&needs(), 12 * GIB).expect_err("12.5 are wanted");
        assert!(
            matches!(error, Error::OutOfMemory { wanted, .. } if wanted as u64 == 11 * GIB + STEP_BYTES),
            "{error}"
        );
        assert_eq!(on_device(11 * GIB + STEP_BYTES), 0);
    }

    #[test]
    fn a_model_without_experts_has_nothing_to_place() {
        let needs = Needs { experts: Vec::new(), ..needs() };
        assert_eq!(Placement::plan(&needs, 20 * GIB).expect("a plan").kept(), 0);
    }
}
