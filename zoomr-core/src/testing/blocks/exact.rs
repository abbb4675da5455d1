//! Level 2 in f64 and plain loops.

use std::ops::Range;

use super::{PASSAGES, cases::Inputs, is_at_hand, passage};
use crate::{
    select::{BlockRule, SHARE_UNITS, Tally},
    testing::oracle::{self, dot},
};

/// What a row comes to.
pub(super) struct Exact {
    pub(super) output: Vec<f64>,
    pub(super) lse: Vec<f64>,
    /// `[sets][blocks]`: shares per 16 tokens.
    pub(super) shares: Vec<Vec<f64>>,
    /// What each set has chosen.
    pub(super) chosen: Vec<Vec<usize>>,
}

impl Inputs {
    /// What a ballot hears of a row.
    pub(super) fn told(&self, exact: &Exact) -> Tally {
        let mut told = Tally::none(PASSAGES);
        let kv_heads = self.case.kv_heads / self.case.sets();
        for (shares, chosen) in
            exact.shares.iter().zip(&exact.chosen).filter(|(shares, _)| !shares.is_empty())
        {
            let units = |u: usize| shares[u] * self.blocks[u].len() as f64 / 16.0 * f64::from(SHARE_UNITS);
            told.find(kv_heads, (0..shares.len()).map(|u| (passage(u), units(u).round() as u32)));
            told.read(kv_heads, chosen.iter().map(|&u| (passage(u), self.blocks[u].len())));
        }
        told
    }
}

impl Inputs {
    /// Steps 4 to 8 for one row.
    pub(super) fn exact(&self, row: usize, rule: BlockRule) -> Exact {
        let (case, q, base) = (self.case, &self.queries[row], self.base(row));
        let heads = case.group * case.kv_heads;
        let (_, base_lse) = oracle::attend(q, &self.dense, &base, case.scale());
        let blocks = &self.blocks[..self.count(row)];
        // [heads][blocks]
        let share = |head: usize| {
            let estimates: Vec<f64> = blocks.iter().map(|block| self.estimate(q, head, block)).collect();
            let masses: Vec<f64> = estimates.iter().map(|e| (e - base_lse[head]).exp()).collect();
            let total = 1.0 + masses.iter().sum::<f64>();
            masses.into_iter().map(|mass| mass / total).collect::<Vec<f64>>()
        };
        let by_head: Vec<Vec<f64>> = (0..heads).map(share).collect();
        let sharing = heads / case.sets();
        let of_set = |heads: &[Vec<f64>]| -> Vec<f64> {
            (0..blocks.len()).map(|u| heads.iter().map(|of| of[u]).sum::<f64>() / sharing as f64).collect()
        };
        let sets: Vec<Vec<f64>> = by_head.chunks(sharing).map(of_set).collect();
        let may = |u: usize| case.all_at_hand || is_at_hand(u);
        let chosen: Vec<Vec<usize>> = sets.iter().map(|shares| choose(shares, blocks, may, rule)).collect();
        let (mut output, mut lse) = (vec![0.0; q.len()], vec![0.0; heads]);
        for head in 0..heads {
            let mut seen = base.clone();
            chosen[head / sharing].iter().for_each(|&u| seen.insert(blocks[u].clone()));
            let (all, all_lse) = oracle::attend(q, &self.dense, &seen, case.scale());
            let part = head * case.head_dim..(head + 1) * case.head_dim;
            output[part.clone()].copy_from_slice(&all[part]);
            lse[head] = all_lse[head];
        }
        let per_16 = |(share, block): (&f64, &Range<usize>)| 16.0 * share / block.len() as f64;
        let shares = sets.iter().map(|set| set.iter().zip(blocks).map(per_16).collect()).collect();
        Exact { output, lse, shares, chosen }
    }

    /// Step 5.
    pub(super) fn estimate(&self, q: &[f64], head: usize, block: &Range<usize>) -> f64 {
        let (case, kv_head) = (self.case, head / self.case.group);
        let own = kv_head * case.head_dim..(kv_head + 1) * case.head_dim;
        let query = &q[head * case.head_dim..][..case.head_dim];
        let [mean, deviation, within] = self.spread.each_ref().map(|part| &part[own.clone()]);
        let mu = &oracle::mean_key(&self.dense, block.clone())[own];
        let z: Vec<f64> = (0..case.head_dim).map(|i| (mu[i] - mean[i]) / deviation[i]).collect();
        let step = z.iter().fold(0.0, |a: f64, z| a.max(z.abs())) / 127.0;
        let kept = |i: usize| mean[i] + deviation[i] * (z[i] / step).round() * step;
        let kept: Vec<f64> = (0..case.head_dim).map(kept).collect();
        let m = dot(query, &kept) * case.scale();
        let v: f64 = query.iter().zip(within).map(|(q, v)| q * q * v).sum::<f64>() * case.scale().powi(2);
        let log = (block.len() as f64).ln();
        m + if v < 2.0 * log { log + v / 2.0 } else { (2.0 * v * log).sqrt() }
    }
}

/// Step 7, by sorting.
pub(super) fn choose(
    shares: &[f64],
    blocks: &[Range<usize>],
    at_hand: impl Fn(usize) -> bool,
    rule: BlockRule,
) -> Vec<usize> {
    let units = |u: usize| (shares[u] * f64::from(SHARE_UNITS)).round();
    let per_token = |u: usize| units(u) / blocks[u].len() as f64;
    let mut order: Vec<usize> = (0..blocks.len())
        .filter(|&u| at_hand(u) && 16.0 * per_token(u) >= f64::from(rule.threshold))
        .collect();
    order.sort_by(|&a, &b| per_token(b).total_cmp(&per_token(a)));
    let mut tokens = 0;
    let fits = |u: &usize| {
        tokens += blocks[*u].len();
        tokens <= rule.most
    };
    let mut chosen: Vec<usize> = order.into_iter().take_while(fits).collect();
    chosen.sort_unstable();
    chosen
}
