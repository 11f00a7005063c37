//! Typed arrays to and from the model's batch, result and tensors. JavaScript may write to its arrays while a step runs, so
//! they are copied on the way in; on the way out they are handed over.

use std::collections::HashMap;

use mimokit_model::{Routes, StepResult as ModelResult, TapValues, Tapped};
use napi::bindgen_prelude::*;
use napi_derive::napi;

/// Makes the JavaScript-facing batch, its owned copy, and the way to the model's view: one list of fields.
macro_rules! step_batch {
    ($($(#[$doc:meta])* $field:ident: $slice:ident, $element:ty;)*) => {
        /// One step's rows as flat arrays: `StepBatch` of @mimokit/protocol, where every field is explained.
        #[napi(object, object_to_js = false)]
        pub struct StepBatch<'env> {
            $(pub $field: $slice<'env>,)*
        }

        /// The batch while it waits and runs.
        pub(crate) struct OwnedBatch {
            $($field: Vec<$element>,)*
        }

        impl OwnedBatch {
            pub(crate) fn copy(batch: &StepBatch<'_>) -> OwnedBatch {
                OwnedBatch { $($field: batch.$field.to_vec(),)* }
            }

            pub(crate) fn view(&self) -> mimokit_model::StepBatch<'_> {
                mimokit_model::StepBatch { $($field: &self.$field,)* }
            }
        }
    };
}

step_batch! {
    tokens: Int32ArraySlice, i32;
    row_start: Int32ArraySlice, i32;
    context_len: Int32ArraySlice, i32;
    draft_len: Int32ArraySlice, i32;
    samples: Uint8ArraySlice, u8;
    draft_next: Int32ArraySlice, i32;
    block_table: Int32ArraySlice, i32;
    block_start: Int32ArraySlice, i32;
    windows: Int32ArraySlice, i32;
    copy_window: Int32ArraySlice, i32;
    save_window: Int32ArraySlice, i32;
    copy_block: Int32ArraySlice, i32;
    sampling: Float32ArraySlice, f32;
    seeds: Uint32ArraySlice, u32;
    top_logprobs: Uint8ArraySlice, u8;
    want_routes: Uint8ArraySlice, u8;
    bias_start: Int32ArraySlice, i32;
    bias_ids: Int32ArraySlice, i32;
    bias_values: Float32ArraySlice, f32;
    count_start: Int32ArraySlice, i32;
    count_ids: Int32ArraySlice, i32;
    count_values: Int32ArraySlice, i32;
}

/// What a step gave: `StepResult` of @mimokit/protocol.
#[napi(object, object_from_js = false)]
pub struct StepResult {
    pub tokens: Int32Array,
    pub token_start: Int32Array,
    pub drafts: Int32Array,
    pub draft_start: Int32Array,
    pub logprobs: Option<Float32Array>,
    pub rivals: Option<Int32Array>,
    pub routes: Option<Either<Uint8Array, Uint16Array>>,
}

impl From<ModelResult> for StepResult {
    fn from(result: ModelResult) -> StepResult {
        let routes = result.routes.map(|routes| match routes {
            Routes::Narrow(ids) => Either::A(ids.into()),
            Routes::Wide(ids) => Either::B(ids.into()),
        });
        StepResult {
            tokens: result.tokens.into(),
            token_start: result.token_start.into(),
            drafts: result.drafts.into(),
            draft_start: result.draft_start.into(),
            logprobs: result.logprobs.map(Into::into),
            rivals: result.rivals.map(Into::into),
            routes,
        }
    }
}

/// `Tensor` of @mimokit/protocol.
#[napi(object, object_from_js = false)]
pub struct Tensor {
    pub shape: Vec<u32>,
    pub data: Either<Float32Array, Int32Array>,
}

/// Tapped values by name.
pub(crate) fn tensors(taps: Vec<Tapped>) -> HashMap<String, Tensor> {
    let tensor = |tap: Tapped| {
        let data = match tap.values {
            TapValues::F32(values) => Either::A(values.into()),
            TapValues::I32(values) => Either::B(values.into()),
        };
        // Sizes of one prompt's results fit 32 bits: ids and vocabulary are bounded far below.
        (tap.name, Tensor { shape: tap.shape.into_iter().map(|size| size as u32).collect(), data })
    };
    taps.into_iter().map(tensor).collect()
}
