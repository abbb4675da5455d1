//! Limits laid where shares leave a gap.

use super::{
    cases::{Inputs, Limit},
    exact::Exact,
};
use crate::select::{BlockRule, SHARE_UNITS};

/// How much of itself a share must be away from a limit.
const GAP: f64 = 0.01;

impl Inputs {
    /// A rule whose limit lies in the widest gap.
    pub(super) fn rule(&self) -> BlockRule {
        let all = BlockRule { scope: self.case.scope, threshold: 0, most: usize::MAX };
        let exact: Vec<Exact> = (0..self.case.rows).map(|row| self.exact(row, all)).collect();
        let sets = exact.iter().flat_map(|row| &row.shares).filter(|shares| !shares.is_empty());
        let sorted = |shares: Vec<f64>| {
            let mut shares = shares;
            shares.sort_by(|a, b| b.total_cmp(a));
            shares
        };
        match self.case.limit {
            Limit::Nothing => all,
            Limit::Share => {
                let shares = sorted(sets.flatten().copied().collect());
                let middle = shares.len() / 8..shares.len() / 2;
                let widest = middle.max_by(|&a, &b| gap(&shares, a).total_cmp(&gap(&shares, b)));
                let Some(at) = widest else { return all };
                assert!(gap(&shares, at) > GAP, "{}: shares leave no gap", self.case.name);
                let threshold = (shares[at] * shares[at + 1]).sqrt() * f64::from(SHARE_UNITS);
                BlockRule { threshold: threshold.round() as u32, ..all }
            }
            Limit::Tokens => {
                let sets: Vec<Vec<f64>> = sets.map(|shares| sorted(shares.clone())).collect();
                let least = |at: usize| sets.iter().map(|shares| gap(shares, at)).fold(f64::MAX, f64::min);
                let widest = (2..sets[0].len() / 2).max_by(|&a, &b| least(a).total_cmp(&least(b)));
                let at = widest.expect("blocks to choose from");
                assert!(least(at) > GAP, "{}: shares leave no gap", self.case.name);
                // Not a multiple of the blocks' size.
                BlockRule { most: (at + 1) * self.case.block + self.case.block / 2, ..all }
            }
        }
    }
}

/// How far a share is over the next, of the latter.
pub(super) fn gap(shares: &[f64], at: usize) -> f64 {
    shares[at] / shares[at + 1] - 1.0
}
