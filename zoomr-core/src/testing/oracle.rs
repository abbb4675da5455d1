//! The kernels in f64 and plain loops: slow, and obviously right.

use crate::{kv::KvDtype, positions::PositionSet};

/// Keys and values of one sequence in one layer, by position.
#[derive(Clone, Debug)]
pub struct DenseKv {
    /// Key-value heads.
    pub kv_heads: usize,
    /// Elements per head.
    pub head_dim: usize,
    /// `[tokens, kv_heads, head_dim]`, row-major.
    pub keys: Vec<f64>,
    /// `[tokens, kv_heads, head_dim]`, row-major.
    pub values: Vec<f64>,
}

impl DenseKv {
    /// No tokens.
    pub fn new(kv_heads: usize, head_dim: usize) -> Self {
        Self { kv_heads, head_dim, keys: Vec::new(), values: Vec::new() }
    }

    /// Tokens held.
    pub fn len(&self) -> usize {
        self.keys.len() / (self.kv_heads * self.head_dim)
    }

    /// Whether no token is held.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    fn at<'a>(&self, plane: &'a [f64], position: usize, head: usize) -> &'a [f64] {
        &plane[(position * self.kv_heads + head) * self.head_dim..][..self.head_dim]
    }

    /// The key of a token.
    pub fn key(&self, position: usize, head: usize) -> &[f64] {
        self.at(&self.keys, position, head)
    }

    /// The value of a token.
    pub fn value(&self, position: usize, head: usize) -> &[f64] {
        self.at(&self.values, position, head)
    }
}

/// What a store holds of `vectors` of f32, `[.., head_dim]`.
pub fn stored(vectors: Vec<f64>, kv: KvDtype, head_dim: usize) -> Vec<f64> {
    let mut narrow: Vec<f32> = vectors.into_iter().map(|x| x as f32).collect();
    kv.round(&mut narrow, head_dim);
    narrow.into_iter().map(f64::from).collect()
}

/// Attention of one row: output `[query_heads, head_dim]` and log-sum-exp `[query_heads]`.
///
/// `q` is `[query_heads, head_dim]`. A row that sees nothing gets zeros and minus infinity.
pub fn attend(q: &[f64], kv: &DenseKv, visible: &PositionSet, scale: f64) -> (Vec<f64>, Vec<f64>) {
    let heads = q.len() / kv.head_dim;
    let group = heads / kv.kv_heads;
    let (mut output, mut lse) = (vec![0.0; q.len()], vec![f64::NEG_INFINITY; heads]);
    for head in 0..heads {
        let query = &q[head * kv.head_dim..][..kv.head_dim];
        let positions = || visible.ranges().iter().flat_map(Clone::clone);
        let score = |p: usize| scale * dot(query, kv.key(p, head / group));
        let max = positions().map(score).fold(f64::NEG_INFINITY, f64::max);
        if max == f64::NEG_INFINITY {
            continue;
        }
        let sum: f64 = positions().map(|p| (score(p) - max).exp()).sum();
        lse[head] = max + sum.ln();
        for position in positions() {
            let weight = (score(position) - max).exp() / sum;
            let out = &mut output[head * kv.head_dim..][..kv.head_dim];
            out.iter_mut().zip(kv.value(position, head / group)).for_each(|(o, v)| *o += weight * v);
        }
    }
    (output, lse)
}

/// Scores `[query_heads, thoughts]` of one row: `q` is `[query_heads, head_dim]`, `index[j]` is
/// `[kv_heads, head_dim]`.
pub fn scores(q: &[f64], index: &[Vec<f64>], kv_heads: usize, head_dim: usize, scale: f64) -> Vec<f64> {
    let heads = q.len() / head_dim;
    let group = heads / kv_heads;
    let score = |head: usize, vectors: &Vec<f64>| {
        let vector = &vectors[head / group * head_dim..][..head_dim];
        scale * dot(&q[head * head_dim..][..head_dim], vector)
    };
    (0..heads).flat_map(|head| index.iter().map(move |vectors| score(head, vectors))).collect()
}

/// The mean key of some tokens: `[kv_heads, head_dim]`.
pub fn mean_key(kv: &DenseKv, positions: std::ops::Range<usize>) -> Vec<f64> {
    let width = kv.kv_heads * kv.head_dim;
    let count = positions.len() as f64;
    (0..width).map(|i| positions.clone().map(|p| kv.keys[p * width + i]).sum::<f64>() / count).collect()
}

pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
