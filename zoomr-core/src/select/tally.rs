//! Steps 1 and 2 of METHOD.md for one row: from scores to votes.
//!
//! Plain loops over a few hundred numbers, shared by every provider, so that equal scores give equal votes
//! everywhere (law 7).

use super::best::{softmax, take_best};

/// The unit of shares: one is `2^18` of them. Whole numbers, so that their sums do not depend on their order.
pub const SHARE_UNITS: u32 = 1 << 18;

/// The votes of some set of query heads for the candidate thoughts of one row.
///
/// Candidates are thoughts (with blocks, passages) `0..len()`, oldest first. Tallies of several layers add up ([`Tally::add`]).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Heads that voted for each thought. With blocks, the tokens of each passage that were attended, summed over KV heads.
    pub votes: Vec<u32>,
    /// Shares: the softmax of each head's scores over the candidates, summed over the heads, in units of
    /// 1 / [`SHARE_UNITS`], saturating; what breaks ties. With blocks, of attention to everything, and summed over KV heads.
    pub shares: Vec<u32>,
    /// How many heads voted; with blocks, how many KV heads chose.
    pub heads: u32,
    /// Tokens of chosen blocks, summed over KV heads.
    pub attended: u64,
}

impl Tally {
    /// No votes for so many candidates.
    pub fn none(candidates: usize) -> Self {
        Self { votes: vec![0; candidates], shares: vec![0; candidates], heads: 0, attended: 0 }
    }

    /// Lets each head vote for its `votes` best candidates.
    ///
    /// `scores` is `[heads, candidates]`, row-major. Ties go to the older thought; NaN never wins.
    pub fn from_scores(scores: &[f32], candidates: usize, votes: usize) -> Self {
        let mut tally = Self::none(candidates);
        tally.vote(scores, votes);
        tally
    }

    /// Adds the votes of more heads; `scores` is `[heads, len()]`, as for [`from_scores`](Self::from_scores).
    pub fn vote(&mut self, scores: &[f32], votes: usize) {
        if self.is_empty() {
            return;
        }
        for head in scores.chunks_exact(self.len()) {
            self.heads += 1;
            take_best(head, votes, |j| self.votes[j] += 1);
            softmax(head, |j, share| self.add_share(j, share));
        }
    }

    /// Adds to what candidate `j` has of one head's attention, from 0 to 1.
    pub(crate) fn add_share(&mut self, j: usize, share: f64) {
        let units = (share * f64::from(SHARE_UNITS)).round() as u32;
        self.shares[j] = self.shares[j].saturating_add(units);
    }

    /// Adds what some blocks would bring `kv_heads` heads: of each the passage that it belongs to and its share.
    pub fn find(&mut self, kv_heads: usize, blocks: impl Iterator<Item = (usize, u32)>) {
        for (j, share) in blocks {
            self.shares[j] = self.shares[j].saturating_add(share.saturating_mul(kv_heads as u32));
        }
    }

    /// Counts that `kv_heads` heads have chosen some blocks: of each the passage that it belongs to and its tokens.
    pub fn read(&mut self, kv_heads: usize, chosen: impl Iterator<Item = (usize, usize)>) {
        self.heads += kv_heads as u32;
        for (j, tokens) in chosen {
            let tokens = kv_heads * tokens;
            self.attended += tokens as u64;
            self.votes[j] = self.votes[j].saturating_add(tokens as u32);
        }
    }

    /// How many candidates there are.
    pub fn len(&self) -> usize {
        self.votes.len()
    }

    /// Whether there is no candidate.
    pub fn is_empty(&self) -> bool {
        self.votes.is_empty()
    }

    /// Adds another layer's votes for the same candidates.
    ///
    /// # Panics
    /// Where the candidates differ in number.
    pub fn add(&mut self, other: &Self) {
        assert_eq!(self.len(), other.len(), "tallies over different candidates");
        self.votes.iter_mut().zip(&other.votes).for_each(|(a, b)| *a += b);
        self.shares.iter_mut().zip(&other.shares).for_each(|(a, b)| *a = a.saturating_add(*b));
        self.heads += other.heads;
        self.attended += other.attended;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_go_to_the_older_and_nan_never_wins() {
        let tally = Tally::from_scores(&[1.0, f32::NAN, 1.0, 1.0], 4, 2);
        assert_eq!(tally.votes, [1, 0, 1, 0]);
        assert_eq!(tally.shares[1], 0);
        let nan = Tally::from_scores(&[f32::NAN; 3], 3, 2);
        assert_eq!(nan.votes, [0, 0, 0]);
    }

    #[test]
    fn votes_are_those_that_sorting_gives() {
        // Few distinct values, so that most comparisons are ties; some NaN.
        let score = |i: usize| if i % 11 == 5 { f32::NAN } else { (i * 7919 % 13) as f32 - 6.0 };
        let scores: Vec<f32> = (0..97).map(score).collect();
        let mut order: Vec<usize> = (0..97).filter(|&j| !scores[j].is_nan()).collect();
        order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(a.cmp(&b)));
        for votes in [0, 1, 4, 59, 88, 89, 97, 1025] {
            let tally = Tally::from_scores(&scores, 97, votes);
            let chosen = &order[..votes.min(order.len())];
            assert!((0..97).all(|j| tally.votes[j] == u32::from(chosen.contains(&j))), "{votes}");
        }
    }

    #[test]
    fn infinite_scores_take_all_the_mass() {
        let tally = Tally::from_scores(&[f32::INFINITY, 0.0, f32::INFINITY], 3, 1);
        assert_eq!(tally.shares, [SHARE_UNITS / 2, 0, SHARE_UNITS / 2]);
    }

    #[test]
    fn shares_saturate() {
        let mut tally = Tally { votes: vec![0], shares: vec![u32::MAX - 5], ..Tally::default() };
        tally.vote(&[1.0], 1);
        assert_eq!((tally.shares[0], tally.votes[0]), (u32::MAX, 1));
    }
}
