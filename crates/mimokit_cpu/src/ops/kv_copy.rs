//! kv_copy: whole windows and blocks from one place of their pool to another. Bound: the bytes, read and written.

use mimokit_model::kv::KvCopy;

use crate::Kv;

pub(crate) fn kv_copy(kv: &mut Kv, copies: &[KvCopy]) {
    kv.copy(copies);
}
