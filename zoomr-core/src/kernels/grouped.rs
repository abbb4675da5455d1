//! Query heads by the KV head that they share: grouped-query attention as products of matrices.

use burn::tensor::{Tensor, backend::Backend};

/// Rows of `q` by the KV head that they read: `[rows, query_heads, head_dim] -> [kv_heads, rows * group, head_dim]`.
pub(crate) fn by_kv_head<B: Backend>(q: Tensor<B, 3>, kv_heads: usize) -> Tensor<B, 3> {
    let [rows, heads, head_dim] = q.dims();
    let group = heads / kv_heads;
    q.reshape([rows, kv_heads, group, head_dim]).swap_dims(0, 1).reshape([kv_heads, rows * group, head_dim])
}

/// Undoes [`by_kv_head`]: `[kv_heads, rows * group, n] -> [rows, kv_heads * group, n]`.
pub(crate) fn by_row<B: Backend>(x: Tensor<B, 3>, rows: usize) -> Tensor<B, 3> {
    let [kv_heads, per_head, n] = x.dims();
    let group = per_head / rows;
    x.reshape([kv_heads, rows, group, n]).swap_dims(0, 1).reshape([rows, kv_heads * group, n])
}
