//! Maps of tensors for the tensor memory accelerator, encoded by the driver.

use std::ffi::c_void;

use cudarc::driver::sys::{
    self, CUtensorMap, CUtensorMapDataType, CUtensorMapFloatOOBfill, CUtensorMapInterleave, CUtensorMapL2promotion,
    CUtensorMapSwizzle,
};

use super::failure;
use crate::arguments::TensorMap;
use crate::device::Tensor;
use crate::error::{Error, Result};

/// The driver's map: 128-byte swizzle, whole lines of L2, zeros outside of the tensor. The context is current.
pub(super) fn encode(tensor: &Tensor) -> Result<TensorMap> {
    let kind = match tensor.element_bytes {
        1 => CUtensorMapDataType::CU_TENSOR_MAP_DATA_TYPE_UINT8,
        2 => CUtensorMapDataType::CU_TENSOR_MAP_DATA_TYPE_BFLOAT16,
        other => return Err(Error::Unsupported(format!("a tensor map of {other}-byte elements"))),
    };
    let steps = [1u32; 3];
    let mut map = CUtensorMap { opaque: [0; 16] };
    // SAFETY: three sizes, two strides, three sides of a box; what the driver cannot encode it refuses.
    unsafe {
        sys::cuTensorMapEncodeTiled(
            &raw mut map,
            kind,
            3,
            tensor.base as *mut c_void,
            tensor.sizes.as_ptr(),
            tensor.strides.as_ptr(),
            tensor.tile.as_ptr(),
            steps.as_ptr(),
            CUtensorMapInterleave::CU_TENSOR_MAP_INTERLEAVE_NONE,
            CUtensorMapSwizzle::CU_TENSOR_MAP_SWIZZLE_128B,
            CUtensorMapL2promotion::CU_TENSOR_MAP_L2_PROMOTION_L2_256B,
            CUtensorMapFloatOOBfill::CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE,
        )
    }
    .result()
    .map_err(|error| failure("cuTensorMapEncodeTiled", error))?;
    Ok(TensorMap(map.opaque))
}
