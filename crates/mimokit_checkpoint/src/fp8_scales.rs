// Which scale belongs to which row of an E4M3 weight. Three grids occur: plain blocks of rows; blocks that restart per KV head over
// the fused rows [K | V] (global layers of MiMo-V2-Flash, docs/model.md); blocks that restart per shard of a fused qkv.
// Shapes decide; the sizes come from the config.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::tensor::BlockScales;

/// A tensor's scales as stored.
#[derive(Clone, Debug)]
pub(crate) struct Grid {
    /// Name of the scale tensor, for errors.
    pub tensor: String,
    pub rows: usize,
    pub cols: usize,
    pub values: Vec<f32>,
}

/// Row r uses scale row r / block rows; `index` is that, shared between the weights of one height.
pub(crate) fn plain(index: Arc<[u32]>, cols: usize, block: [usize; 2], grid: Grid) -> Result<BlockScales> {
    let expected = [index.len().div_ceil(block[0]), cols.div_ceil(block[1])];
    require_shape(&grid, expected, None)?;
    Ok(scales(block[1], expected[1], index, grid.values))
}

/// Sizes of the K and V projections of one attention.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KvRows {
    pub kv_heads: usize,
    pub qk_dim: usize,
    pub v_dim: usize,
    /// Columns of both weights.
    pub cols: usize,
}

/// Scales of the K and the V projection, which may share a grid.
///
/// Per KV head the fused rows are [K: qk_dim | V: v_dim], cut in blocks from the head's first row. A block in which K ends and V begins
/// is stored with K. So V rows in it use K's scale.
/// `plain_index` is that of `plain`, for K and V.
pub(crate) fn key_value(
    rows: KvRows,
    block: [usize; 2],
    plain_index: [Arc<[u32]>; 2],
    k: Grid,
    v: Grid,
) -> Result<[BlockScales; 2]> {
    let KvRows { kv_heads, qk_dim, v_dim, cols } = rows;
    let col_blocks = cols.div_ceil(block[1]);
    let k_blocks = qk_dim.div_ceil(block[0]);
    let v_blocks = (qk_dim + v_dim).div_ceil(block[0]) - k_blocks;
    let k_plain = [(kv_heads * qk_dim).div_ceil(block[0]), col_blocks];
    let v_plain = [(kv_heads * v_dim).div_ceil(block[0]), col_blocks];
    let k_per_head = [kv_heads * k_blocks, col_blocks];
    let v_per_head = [kv_heads * v_blocks, col_blocks];

    let is_per_head = [k.rows, k.cols] == k_per_head && k_per_head != k_plain;
    if !is_per_head {
        let other = Some(k_per_head).filter(|shape| *shape != k_plain);
        require_shape(&k, k_plain, other)?;
        require_shape(&v, v_plain, None)?;
        let [k_index, v_index] = plain_index;
        return Ok([plain(k_index, cols, block, k)?, plain(v_index, cols, block, v)?]);
    }
    require_shape(&v, v_per_head, None)?;
    // V may need rows of both grids: V's own come first, then K's.
    let k_start = v.rows;
    let mut k_index = Vec::with_capacity(kv_heads * qk_dim);
    let mut v_index = Vec::with_capacity(kv_heads * v_dim);
    for head in 0..kv_heads {
        k_index.extend((0..qk_dim).map(|row| (head * k_blocks + row / block[0]) as u32));
        v_index.extend((qk_dim..qk_dim + v_dim).map(|fused_row| {
            let fused_block = fused_row / block[0];
            let row = if fused_block < k_blocks {
                k_start + head * k_blocks + fused_block
            } else {
                head * v_blocks + fused_block - k_blocks
            };
            row as u32
        }));
    }
    let v_values = [v.values, k.values.clone()].concat();
    Ok([scales(block[1], col_blocks, k_index.into(), k.values), scales(block[1], col_blocks, v_index.into(), v_values)])
}

/// Scale row of each row of a weight whose blocks restart at every one of `shards` equal parts.
pub(crate) fn per_shard_index(rows: usize, shards: usize, block_rows: usize) -> Vec<u32> {
    let shard_rows = rows / shards;
    let shard_blocks = shard_rows.div_ceil(block_rows);
    (0..rows).map(|row| (row / shard_rows * shard_blocks + row % shard_rows / block_rows) as u32).collect()
}

fn scales(block_cols: usize, col_blocks: usize, row_index: Arc<[u32]>, values: Vec<f32>) -> BlockScales {
    BlockScales { block_cols, col_blocks, row_index, values: Arc::from(values) }
}

fn require_shape(grid: &Grid, plain: [usize; 2], per_head: Option<[usize; 2]>) -> Result<()> {
    if [grid.rows, grid.cols] == plain {
        return Ok(());
    }
    Err(Error::ScaleGrid { tensor: grid.tensor.clone(), found: vec![grid.rows, grid.cols], plain, per_head })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(rows: usize, cols: usize, first: f32) -> Grid {
        let values = (0..rows * cols).map(|index| first + index as f32).collect();
        Grid { tensor: "x.weight_scale_inv".into(), rows, cols, values }
    }

    fn index(rows: usize) -> Arc<[u32]> {
        crate::linear::block_rows(rows, 128)
    }

    fn both(rows: KvRows, k: Grid, v: Grid) -> Result<[BlockScales; 2]> {
        let plain_index = [index(rows.kv_heads * rows.qk_dim), index(rows.kv_heads * rows.v_dim)];
        key_value(rows, [128, 128], plain_index, k, v)
    }

    #[test]
    fn the_last_block_of_a_plain_grid_may_be_short_both_ways() {
        let scales = plain(index(192), 130, [128, 128], grid(2, 2, 0.0)).expect("fits");
        assert_eq!(scales.row(127), [0.0, 1.0]);
        assert_eq!(scales.row(128), [2.0, 3.0]);
        assert!(plain(index(192), 130, [128, 128], grid(1, 2, 0.0)).is_err());
    }

    #[test]
    fn blocks_restart_per_kv_head_and_v_borrows_the_block_in_which_k_ends() {
        let rows = KvRows { kv_heads: 4, qk_dim: 192, v_dim: 128, cols: 128 };
        let [k, v] = both(rows, grid(8, 1, 0.0), grid(4, 1, 100.0)).expect("fits");
        assert_eq!([k.row(127)[0], k.row(128)[0], k.row(191)[0], k.row(192)[0]], [0.0, 1.0, 1.0, 2.0]);
        assert_eq!([v.row(0)[0], v.row(63)[0], v.row(64)[0], v.row(127)[0]], [1.0, 1.0, 100.0, 100.0]);
        assert_eq!([v.row(128)[0], v.row(191)[0], v.row(192)[0]], [3.0, 3.0, 101.0]);
    }

    #[test]
    fn a_plain_grid_stays_plain_and_a_wrong_one_names_both_shapes() {
        let rows = KvRows { kv_heads: 8, qk_dim: 192, v_dim: 128, cols: 128 };
        let [k, v] = both(rows, grid(12, 1, 0.0), grid(8, 1, 0.0)).expect("fits");
        assert_eq!([k.row(191)[0], k.row(256)[0], v.row(128)[0]], [1.0, 2.0, 1.0]);
        let error = both(rows, grid(11, 1, 0.0), grid(8, 1, 0.0)).expect_err("refused");
        assert_eq!(error.code(), "checkpoint-tensor-shape");
        assert!(error.to_string().contains("[12, 1]") && error.to_string().contains("[16, 1]"), "{error}");
    }

    #[test]
    fn a_sharded_grid_restarts_at_each_shard() {
        let index = per_shard_index(2 * 320, 2, 128);
        assert_eq!([index[0], index[319], index[320], index[639]], [0, 2, 3, 5]);
    }
}
