// Cases of dense_ffn, router and moe.

use mimokit_model::backend::ExpertSource;
use mimokit_model::weights::{FfnWeights, MoeWeights};
use mimokit_model::{Backend, Result};

use super::OpCase;
use super::inputs::{FP8, Inputs, Stored};

#[derive(Clone, Debug)]
pub struct DenseFfn {
    rows: usize,
    hidden: usize,
    width: usize,
    stored: Stored,
}

impl DenseFfn {
    pub fn cases() -> Vec<DenseFfn> {
        let case = |rows, hidden, width, stored| DenseFfn { rows, hidden, width, stored };
        vec![
            case(1, 64, 128, Stored::Bf16),
            case(3, 37, 19, Stored::F32),
            case(1, 256, 384, FP8),
            case(70, 200, 130, FP8),
            case(5, 576, 1536, FP8),
            case(4, 96, 80, Stored::Fp8([32, 64])),
        ]
    }
}

impl OpCase for DenseFfn {
    fn name(&self) -> String {
        format!("dense_ffn {self:?}")
    }

    fn run<B: Backend>(&self, backend: &B) -> Result<Vec<f32>> {
        let &DenseFfn { rows, hidden, width, stored } = self;
        let inputs = &mut Inputs::new(10);
        let weights = FfnWeights {
            norm: backend.upload_vector(&inputs.norm(hidden))?,
            eps: 1e-5,
            gate: backend.upload_matrix(&inputs.linear(width, hidden, stored))?,
            up: backend.upload_matrix(&inputs.linear(width, hidden, stored))?,
            down: backend.upload_matrix(&inputs.linear(hidden, width, stored))?,
        };
        let mut x = backend.write(&inputs.numbers(rows * hidden, 3.0), hidden)?;
        backend.dense_ffn(&weights, &mut x)?;
        backend.read(&x)
    }
}

/// Sizes of a MoE under test.
#[derive(Clone, Copy, Debug)]
pub struct MoeSizes {
    rows: usize,
    hidden: usize,
    width: usize,
    experts: usize,
    top_k: usize,
    normalise: bool,
    scale: f32,
    gate: Stored,
    stored: Stored,
    /// All experts score the same: the lowest ids win.
    tied: bool,
}

const SMALL: MoeSizes = MoeSizes {
    rows: 5,
    hidden: 64,
    width: 32,
    experts: 8,
    top_k: 2,
    normalise: true,
    scale: 1.0,
    gate: Stored::F32,
    stored: Stored::Bf16,
    tied: false,
};

fn sizes() -> Vec<MoeSizes> {
    vec![
        SMALL,
        MoeSizes { rows: 1, ..SMALL },
        MoeSizes { tied: true, ..SMALL },
        MoeSizes { top_k: 8, normalise: false, scale: 2.5, gate: Stored::Bf16, ..SMALL },
        MoeSizes { rows: 1, experts: 1, top_k: 1, ..SMALL },
        MoeSizes { rows: 40, hidden: 200, width: 130, experts: 16, top_k: 4, stored: FP8, ..SMALL },
        MoeSizes { rows: 3, hidden: 72, width: 40, experts: 300, top_k: 6, ..SMALL },
    ]
}

fn weights<B: Backend>(backend: &B, sizes: &MoeSizes, inputs: &mut Inputs) -> Result<MoeWeights<B>> {
    let MoeSizes { hidden, width, experts, stored, .. } = *sizes;
    let mut gate = inputs.linear(experts, hidden, sizes.gate);
    let mut bias = inputs.numbers(experts, 0.1);
    if sizes.tied {
        gate.bytes = mimokit_checkpoint::SharedBytes::owned(vec![0; gate.bytes.len()]);
        bias = vec![0.0; experts];
    }
    let sources = (0..experts)
        .map(|_| ExpertSource {
            gate: inputs.linear(width, hidden, stored),
            up: inputs.linear(width, hidden, stored),
            down: inputs.linear(hidden, width, stored),
        })
        .collect();
    Ok(MoeWeights {
        norm: backend.upload_vector(&inputs.norm(hidden))?,
        eps: 1e-5,
        gate: backend.upload_matrix(&gate)?,
        selection_bias: backend.upload_vector(&bias)?,
        experts: backend.upload_experts(sources)?,
        expert_count: experts,
        top_k: sizes.top_k,
        normalise: sizes.normalise,
        scale: sizes.scale,
    })
}

/// Ids, then weights.
#[derive(Clone, Debug)]
pub struct Router(MoeSizes);

impl Router {
    pub fn cases() -> Vec<Router> {
        sizes().into_iter().map(Router).collect()
    }
}

impl OpCase for Router {
    fn name(&self) -> String {
        format!("router {:?}", self.0)
    }

    fn run<B: Backend>(&self, backend: &B) -> Result<Vec<f32>> {
        let inputs = &mut Inputs::new(11);
        let weights = weights(backend, &self.0, inputs)?;
        let x = backend.write(&inputs.numbers(self.0.rows * self.0.hidden, 1.5), self.0.hidden)?;
        let routes = backend.read_routes(&backend.router(&x, &weights)?)?;
        assert_eq!(routes.top_k, self.0.top_k, "top_k");
        Ok(routes.ids.iter().map(|&id| f32::from(id)).chain(routes.weights).collect())
    }
}

#[derive(Clone, Debug)]
pub struct Moe(MoeSizes);

impl Moe {
    pub fn cases() -> Vec<Moe> {
        sizes().into_iter().map(Moe).collect()
    }
}

impl OpCase for Moe {
    fn name(&self) -> String {
        format!("moe {:?}", self.0)
    }

    fn run<B: Backend>(&self, backend: &B) -> Result<Vec<f32>> {
        let inputs = &mut Inputs::new(12);
        let weights = weights(backend, &self.0, inputs)?;
        let mut x = backend.write(&inputs.numbers(self.0.rows * self.0.hidden, 1.5), self.0.hidden)?;
        let routes = backend.router(&x, &weights)?;
        backend.moe(&routes, &weights, &mut x)?;
        backend.read(&x)
    }
}
