// o_proj: x += attended W_o. attended [rows, heads * v_dim], W_o [hidden, heads * v_dim].

use crate::linear::Matrix;
use crate::rows::Rows;

pub fn o_proj(attended: &Rows, o: &Matrix, x: &mut Rows, quantise: bool) {
    x.add(&o.apply_rows(attended, quantise));
}
