//! Policies `h2o`, `rkv` and `quest` in f64 and plain loops over positions, from their authors' words and code:
//! what sessions under them are held to. No pages, no slots, nothing kept from row to row but what a paper keeps.

use std::{cmp::Ordering, iter, ops::Range};

use super::oracle::{self, DenseKv};
use crate::{
    config::{BlockScope, Settings},
    policy::{Policy, ZoomBlocks},
    positions::PositionSet,
    segment::Stream,
    select::block_shares,
};

/// One layer of a sequence whose first `prompt` tokens are a prompt.
pub(super) struct DenseRows<'a> {
    pub(super) dense: &'a DenseKv,
    /// Per row, `[query_heads, head_dim]`.
    pub(super) queries: &'a [Vec<f64>],
    pub(super) scale: f64,
    pub(super) prompt: usize,
}

/// What each query head of each row sees.
type HeadSets = Vec<Vec<PositionSet>>;

impl DenseRows<'_> {
    fn query_heads(&self) -> usize {
        self.queries[0].len() / self.dense.head_dim
    }

    /// The query heads that read a KV head.
    fn readers(&self, kv: usize) -> Range<usize> {
        let group = self.query_heads() / self.dense.kv_heads;
        kv * group..(kv + 1) * group
    }

    fn query(&self, row: usize, head: usize) -> &[f64] {
        &self.queries[row][head * self.dense.head_dim..][..self.dense.head_dim]
    }

    fn score(&self, row: usize, head: usize, kv: usize, position: usize) -> f64 {
        self.scale * dot(self.query(row, head), self.dense.key(position, kv))
    }

    /// What rows see where each KV head holds some positions, the row's own included; `evict` then says what is
    /// left of them.
    fn held(&self, mut evict: impl FnMut(usize, usize, Vec<usize>) -> Vec<usize>) -> HeadSets {
        let mut held = vec![Vec::new(); self.dense.kv_heads];
        let mut seen = Vec::new();
        for row in 0..self.queries.len() {
            let mut sets = Vec::new();
            for (kv, held) in held.iter_mut().enumerate() {
                held.push(row);
                let set: PositionSet = held.iter().map(|&position| position..position + 1).collect();
                sets.extend(self.readers(kv).map(|_| set.clone()));
                *held = evict(row, kv, std::mem::take(held));
            }
            seen.push(sets);
        }
        seen
    }

    /// H2O: half of the budget for the tokens with most accumulated attention, half for the newest.
    pub(super) fn h2o(&self, budget: usize) -> HeadSets {
        let mut gathered = vec![vec![0.0; self.queries.len()]; self.dense.kv_heads];
        self.held(|row, kv, held| {
            for head in self.readers(kv) {
                let scores: Vec<f64> = held.iter().map(|&p| self.score(row, head, kv, p)).collect();
                let weights = softmax(&scores);
                held.iter().zip(weights).for_each(|(&position, weight)| gathered[kv][position] += weight);
            }
            if row < self.prompt || held.len() <= budget {
                return held;
            }
            let (older, recent) = held.split_at(held.len() - (budget - budget / 2));
            let mut kept = highest(older, budget / 2, |position| gathered[kv][position]);
            kept.extend(recent);
            kept
        })
    }

    /// R-KV: after the first generated token and after every `buffer` of them, the last 8 tokens and those with
    /// the highest importance minus redundancy.
    pub(super) fn rkv(&self, budget: usize, buffer: usize) -> HeadSets {
        self.held(|row, kv, held| {
            let generated = (row + 1).saturating_sub(self.prompt);
            let full = generated > 0 && generated % buffer == 0;
            if held.len() <= budget || !(full || generated == 1) {
                return held;
            }
            let (older, last) = held.split_at(held.len() - 8);
            let importance = self.importance(row, kv, older);
            let redundancy = self.redundancy(kv, &held);
            let z = |position: usize| {
                let at = older.partition_point(|&p| p < position);
                0.1 * importance[at] - (1.0 - 0.1) * redundancy[at]
            };
            let mut kept = highest(older, budget - 8, z);
            kept.extend(last);
            kept
        })
    }

    fn importance(&self, row: usize, kv: usize, older: &[usize]) -> Vec<f64> {
        let mut mean = vec![0.0; older.len()];
        for observing in row - 7..=row {
            let score = |&position: &usize| {
                let scores = self.readers(kv).map(|head| self.score(observing, head, kv, position));
                scores.fold(f64::NEG_INFINITY, f64::max)
            };
            let weights = softmax(&older.iter().map(score).collect::<Vec<_>>());
            mean.iter_mut().zip(weights).for_each(|(mean, weight)| *mean += weight);
        }
        mean.iter_mut().for_each(|mean| *mean /= 8.0);
        let near = |a: usize, b: usize| a.abs_diff(b) <= 3;
        let smooth = |i: usize| (0..mean.len()).filter(|&j| near(i, j)).map(|j| mean[j]).fold(0.0, f64::max);
        (0..mean.len()).map(smooth).collect()
    }

    fn redundancy(&self, kv: usize, held: &[usize]) -> Vec<f64> {
        let key = |i: usize| self.dense.key(held[i], kv);
        let norm = |i: usize| dot(key(i), key(i)).sqrt() + 1e-8;
        let n = held.len();
        let mut cosine = vec![vec![0.0; n]; n];
        for (i, row) in cosine.iter_mut().enumerate() {
            (0..n).filter(|&j| j != i).for_each(|j| row[j] = dot(key(i), key(j)) / (norm(i) * norm(j)));
            let newest = row.iter().rposition(|&cosine| cosine > 0.5).unwrap_or(0);
            row[newest] = 0.0;
        }
        let mean = |j: usize| cosine.iter().map(|row| row[j]).sum::<f64>() / n as f64;
        softmax(&(0..n).map(mean).collect::<Vec<_>>())
    }

    /// Quest: pages of 16 tokens, the row's own and those with the highest bounds. With blocks (ours) so many tokens, and
    /// heads that choose together go by the highest of their bounds.
    pub(super) fn quest(&self, settings: &Settings) -> HeadSets {
        let (heads, page) = (self.query_heads(), settings.blocks.unwrap_or(16));
        let together = match (settings.blocks, settings.block_scope) {
            (None, _) => 1,
            (Some(_), BlockScope::Kv) => heads / self.dense.kv_heads,
            (Some(_), BlockScope::Layer) => heads,
        };
        let set = |row: usize, head: usize| {
            let first = head / together * together;
            self.pages(settings.budget, page, row, first..first + together)
        };
        (0..self.queries.len()).map(|row| (0..heads).map(|head| set(row, head)).collect()).collect()
    }

    fn pages(&self, budget: usize, size: usize, row: usize, heads: Range<usize>) -> PositionSet {
        if row < self.prompt {
            return (0..row + 1).into();
        }
        let own = row / size;
        let earlier: Vec<usize> = (0..own).collect();
        let bound = |page: usize, head: usize| -> f64 {
            let kv = head / (self.query_heads() / self.dense.kv_heads);
            let channel = |(d, q): (usize, &f64)| {
                let products = (page * size..(page + 1) * size).map(|p| q * self.dense.key(p, kv)[d]);
                products.fold(f64::NEG_INFINITY, f64::max)
            };
            self.query(row, head).iter().enumerate().map(channel).sum()
        };
        let of_any =
            |page: usize| heads.clone().map(|head| bound(page, head)).fold(f64::NEG_INFINITY, f64::max);
        let chosen = highest(&earlier, budget.div_ceil(size) - 1, of_any);
        chosen
            .into_iter()
            .map(|page| page * size..(page + 1) * size)
            .chain(iter::once(own * size..row + 1))
            .collect()
    }

    /// Blocks of `rule` with the most true attention mass, beside what rows see anyway.
    pub(super) fn most_mass(&self, rule: &ZoomBlocks, stream: &Stream) -> HeadSets {
        let whole = rule.whole(stream, self.queries.len());
        let sets = rule.rule.sets(self.dense.kv_heads);
        let row = |row: usize| -> Vec<PositionSet> {
            let (base, blocks) = (rule.base(stream, row), &whole.candidates[..whole.counts[row]]);
            let (q, together) = (&self.queries[row], self.query_heads() / sets);
            let lse = |set: &PositionSet| oracle::attend(q, self.dense, set, self.scale).1;
            let (anyway, of_blocks) =
                (lse(&base), blocks.iter().map(|block| lse(&block.clone().into())).collect::<Vec<_>>());
            let of_set = |set: usize| {
                let heads = set * together..(set + 1) * together;
                let masses: Vec<f64> =
                    heads.clone().flat_map(|head| of_blocks.iter().map(move |lse| lse[head])).collect();
                let (mut shares, mut chosen) = (Vec::new(), Vec::new());
                block_shares(&masses, &anyway[heads], &mut shares);
                rule.rule.choose(&shares, |u| Some(blocks[u].len()), &mut chosen);
                let mut seen = base.clone();
                chosen.iter().for_each(|&u| seen.insert(blocks[u].clone()));
                iter::repeat_n(seen, together)
            };
            (0..sets).flat_map(of_set).collect()
        };
        (0..self.queries.len()).map(row).collect()
    }
}

/// The `count` of `items` with the highest scores, in their order; ties go to the earlier.
fn highest(items: &[usize], count: usize, score: impl Fn(usize) -> f64) -> Vec<usize> {
    let mut order = items.to_vec();
    order.sort_by(|&a, &b| score(b).partial_cmp(&score(a)).unwrap_or(Ordering::Equal));
    order.truncate(count);
    order.sort_unstable();
    order
}

fn softmax(scores: &[f64]) -> Vec<f64> {
    let max = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = scores.iter().map(|score| (score - max).exp()).sum();
    scores.iter().map(|score| (score - max).exp() / sum).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
