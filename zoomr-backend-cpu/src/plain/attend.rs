//! Attention as its definition says: gather what a row sees, score, softmax, sum.

use zoomr_core::kernels::{AttendGroup, GroupTable};

use super::dot;
use crate::{store::Part, view::Queries};

/// The outputs `[rows, query_heads, head_dim]` and log-sum-exps `[rows, query_heads]` of all groups' rows.
pub(crate) fn attend(
    q: &Queries<'_>,
    keys: &Part<'_>,
    values: &Part<'_>,
    table: &GroupTable,
    scale: f32,
) -> (Vec<f32>, Vec<f32>) {
    let mut output = vec![0.0; q.rows * q.heads * q.head_dim];
    let mut lse = vec![f32::NEG_INFINITY; q.rows * q.heads];
    for group in table.groups() {
        for r in 0..group.visible.len() {
            for head in 0..q.heads {
                let at = (group.first_row + r) * q.heads + head;
                let out = &mut output[at * q.head_dim..][..q.head_dim];
                let seen: Vec<Token> = tokens(&group, r).collect();
                lse[at] = attend_tokens(q, keys, values, group.first_row + r, head, &seen, scale, out);
            }
        }
    }
    (output, lse)
}

/// Page and slot of a token.
pub(super) type Token = (usize, usize);

/// One head of a row over the tokens `seen`: writes `out` `[head_dim]` and returns the log-sum-exp.
pub(super) fn attend_tokens(
    q: &Queries<'_>,
    keys: &Part<'_>,
    values: &Part<'_>,
    row: usize,
    head: usize,
    seen: &[Token],
    scale: f32,
    out: &mut [f32],
) -> f32 {
    let kv_head = head / (q.heads / keys.kv_heads());
    let query = q.heads(row, head..head + 1);
    let scores: Vec<f64> = seen
        .iter()
        .map(|&(page, slot)| {
            let key = keys.run(page, kv_head, slot..slot + 1).widened(q.head_dim);
            dot(query, &key) * f64::from(scale)
        })
        .collect();
    let max = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if scores.iter().all(|score| *score == f64::NEG_INFINITY) {
        out.fill(0.0);
        return f32::NEG_INFINITY;
    }
    let sum: f64 = scores.iter().map(|score| (score - max).exp()).sum();
    let mut mean = vec![0.0; out.len()];
    for (&(page, slot), score) in seen.iter().zip(&scores) {
        let weight = (score - max).exp() / sum;
        let value = values.run(page, kv_head, slot..slot + 1).widened(q.head_dim);
        mean.iter_mut().zip(value.iter()).for_each(|(m, v)| *m += weight * f64::from(*v));
    }
    out.iter_mut().zip(mean).for_each(|(out, m)| *out = m as f32);
    (max + sum.ln()) as f32
}

/// Every token that the group's row `r` sees anyway.
pub(super) fn tokens(group: &AttendGroup<'_>, r: usize) -> impl Iterator<Item = Token> {
    let visible = &group.visible[r];
    group.spans.iter().flat_map(move |span| {
        let seen = span.positions().filter(|position| visible.contains(*position));
        seen.map(|position| (span.page, span.start + position - span.position))
    })
}
