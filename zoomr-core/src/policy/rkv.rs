//! R-KV, importance minus redundancy (arXiv 2505.24133).
//!
//! Generated tokens gather in a buffer; when it is full, each head keeps as many as the budget allows, by
//! `Z = lambda I - (1 - lambda) R`, and always the last tokens, whose queries are what importance is judged by.
//! - **Importance** `I`: the attention of the observing queries to all older tokens, averaged over the queries
//!   and smoothed along the sequence by a maximum over neighbours. With grouped queries a KV head takes, before
//!   the softmax, the maximum over the query heads that read it.
//! - **Redundancy** `R`: the softmax over the tokens of their mean cosine similarity to all other keys of the
//!   head. Among keys that are similar the newest is not redundant: each token's similarity to the newest token
//!   that is similar to it does not count.
//!
//! Settings are those of the paper's experiments (buffer 128, 8 observing tokens, lambda 0.1) and, where its
//! text leaves them open, those of the authors' code: the width of the smoothing, the threshold of similarity,
//! one exempted neighbour (beta), averaging before smoothing, and a token without similar neighbours exempting
//! the first token. As there, a prompt is compressed once, when it has ended, and no prompt row misses
//! anything. That it has ended shows in the first generated token, whose row still sees it all (ours).

use std::collections::VecDeque;

use super::{Eviction, Evictor, Keys, Policy};
use crate::select::{add_softmax, best};

/// Tokens whose queries judge importance, and which always stay (alpha).
pub const OBSERVING: usize = 8;

/// What importance counts, against redundancy.
const LAMBDA: f64 = 0.1;

/// Tokens to each side over which importance is smoothed: a width of 7.
const NEIGHBOURS: usize = 3;

/// Keys with a larger cosine are similar.
const SIMILAR: f64 = 0.5;

/// What keeps the norm of a key from being zero.
const TINY: f64 = 1e-8;

/// Importance minus redundancy.
#[derive(Clone, Copy, Debug)]
pub struct Rkv {
    /// Tokens that each KV head keeps; more than [`OBSERVING`].
    pub budget: usize,
    /// Generated tokens from one compression to the next.
    pub buffer: usize,
}

impl Policy for Rkv {
    fn name(&self) -> &'static str {
        "rkv"
    }

    fn keeps_detail(&self) -> bool {
        false
    }

    fn eviction(&self) -> Option<&dyn Eviction> {
        Some(self)
    }
}

impl Eviction for Rkv {
    fn budget(&self) -> usize {
        self.budget
    }

    fn last_due(&self, generated: usize) -> usize {
        // The first token shows that the prompt has ended.
        (generated / self.buffer * self.buffer).max(1)
    }

    fn evictor(&self) -> Box<dyn Evictor> {
        Box::new(Observer::default())
    }
}

/// The last rows' queries, each `[query_heads, head_dim]`, the newest last.
#[derive(Clone, Debug, Default)]
struct Observer(VecDeque<Vec<f32>>);

impl Evictor for Observer {
    fn observe(&mut self, queries: &[Vec<f32>], _: &dyn Keys) {
        self.0.extend(queries.iter().rev().take(OBSERVING).rev().cloned());
        self.0.drain(..self.0.len().saturating_sub(OBSERVING));
    }

    fn keep(&mut self, budget: usize, keys: &dyn Keys) -> Vec<Vec<usize>> {
        let (heads, tokens) = (keys.heads(), keys.tokens());
        let older = tokens - OBSERVING;
        let scores = keys.scores(self.0.make_contiguous());
        let keep = |head: usize| {
            let importance = importance(&scores, head, heads, tokens);
            let redundancy = redundancy(&keys.products(head), tokens);
            let z = importance.iter().zip(&redundancy).map(|(i, r)| LAMBDA * i - (1.0 - LAMBDA) * r);
            // NaN is never chosen before a number, but may have to stay.
            let z: Vec<f64> = z.map(|z| if z.is_nan() { f64::NEG_INFINITY } else { z }).collect();
            let mut kept = best(&z, budget - OBSERVING);
            kept.sort_unstable();
            kept.extend(older..tokens);
            kept
        };
        (0..heads).map(keep).collect()
    }

    fn fork(&self) -> Box<dyn Evictor> {
        Box::new(self.clone())
    }
}

/// How important each older token is to a KV head; `scores` is `[queries, query_heads, tokens]`.
fn importance(scores: &[f64], head: usize, heads: usize, tokens: usize) -> Vec<f64> {
    let per_row = scores.len() / OBSERVING;
    let group = per_row / (heads * tokens);
    let older = tokens - OBSERVING;
    let mut mass = vec![0.0; older];
    for row in scores.chunks_exact(per_row) {
        let of_group = || row.chunks_exact(tokens).skip(head * group).take(group);
        let highest = |token| of_group().map(|scores| scores[token]).fold(f64::NEG_INFINITY, f64::max);
        let highest: Vec<f64> = (0..older).map(highest).collect();
        add_softmax(&highest, &mut mass);
    }
    let smooth = |token: usize| {
        let around = token.saturating_sub(NEIGHBOURS)..(token + NEIGHBOURS + 1).min(older);
        mass[around].iter().copied().fold(0.0, f64::max) / OBSERVING as f64
    };
    (0..older).map(smooth).collect()
}

/// How redundant each token's key is; `products` is `[tokens, tokens]`, of the keys with one another.
fn redundancy(products: &[f32], tokens: usize) -> Vec<f64> {
    let norm = |token: usize| f64::from(products[token * tokens + token]).sqrt() + TINY;
    let norms: Vec<f64> = (0..tokens).map(norm).collect();
    let mut similarity = vec![0.0; tokens];
    for (token, products) in products.chunks_exact(tokens).enumerate() {
        let cosine = |other: usize| f64::from(products[other]) / (norms[token] * norms[other]);
        let similar = |other: &usize| *other != token && cosine(*other) > SIMILAR;
        let exempt = (0..tokens).rev().find(similar).unwrap_or(0);
        let counted = (0..tokens).filter(|other| ![token, exempt].contains(other));
        counted.for_each(|other| similarity[other] += cosine(other));
    }
    let mean: Vec<f64> = similarity.iter().map(|sum| sum / tokens as f64).collect();
    let mut redundancy = vec![0.0; tokens];
    add_softmax(&mean, &mut redundancy);
    redundancy
}
