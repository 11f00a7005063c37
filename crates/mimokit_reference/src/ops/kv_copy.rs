// kv_copy: whole windows (rings and kept hidden rows) and whole blocks (all global layers).

use mimokit_model::kv::KvCopy;

use crate::kv::Pools;

pub fn kv_copy(kv: &mut Pools, copies: &[KvCopy]) {
    let (ring, block_tokens) = (kv.layout.ring, kv.layout.block_tokens);
    for copy in copies {
        match *copy {
            KvCopy::Window { from, to } => {
                for slots in &mut kv.rings {
                    slots.copy(from as usize * ring, to as usize * ring, ring);
                }
                let (start, target) = (kv.hidden_start(from, 0), kv.hidden_start(to, 0));
                let length = kv.layout.kept_hidden * kv.layout.hidden;
                kv.hidden.copy_within(start..start + length, target);
            }
            KvCopy::Block { from, to } => {
                for slots in &mut kv.global {
                    slots.copy(from as usize * block_tokens, to as usize * block_tokens, block_tokens);
                }
            }
        }
    }
}
