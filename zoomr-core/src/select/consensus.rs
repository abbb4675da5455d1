//! Step 3 of METHOD.md: from votes to the thoughts that are zoomed.

use std::{cmp::Reverse, ops::Range};

use serde::{Deserialize, Serialize};

use super::{SHARE_UNITS, Tally};
use crate::{config::SummaryVisibility, positions::PositionSet, segment::Thought};

/// How much a consensus zooms into.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Zoom {
    /// The `c` thoughts with most votes.
    Thoughts(usize),
    /// Thoughts in the order of their votes, as long as their detail fits into this many tokens; one that
    /// does not fit is passed over.
    Tokens(usize),
    /// Thoughts in the order of their votes until they hold this share of the mean softmax score.
    Mass(f64),
}

/// What one row zooms into.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// How many thoughts (the oldest ones) were to choose from.
    pub candidates: usize,
    /// The consensus: thoughts whose detail is attended, oldest first.
    pub zoomed: Vec<usize>,
    /// Thoughts that at least one head voted for, oldest first.
    pub voted: Vec<usize>,
}

impl Selection {
    /// The consensus of `tally`; `detail(j)` gives the positions of thought `j`.
    pub fn consensus(tally: &Tally, zoom: Zoom, detail: impl Fn(usize) -> Range<usize>) -> Self {
        Self::first(by_votes(tally), tally, zoom, detail)
    }

    /// As [`consensus`](Self::consensus), but those with most mass are zoomed, however many votes they got.
    pub fn by_mass(tally: &Tally, zoom: Zoom, detail: impl Fn(usize) -> Range<usize>) -> Self {
        Self::first(by_mass(tally), tally, zoom, detail)
    }

    /// With blocks: the passages at hand from the next step on, of the first `candidates`. Those with most attention per
    /// token, as many as fit into `tokens`; one that does not fit is passed over. `len(j)` gives the tokens of passage `j`.
    pub fn at_hand(tally: &Tally, candidates: usize, tokens: usize, len: impl Fn(usize) -> usize) -> Self {
        let by_token = |&a: &usize, &b: &usize| {
            let [of_a, of_b] =
                [(a, b), (b, a)].map(|(j, other)| u64::from(tally.shares[j]) * len(other) as u64);
            of_b.cmp(&of_a)
        };
        let mut order: Vec<usize> = (0..candidates).collect();
        order.sort_by(by_token);
        let mut zoomed = within_budget(order, tokens, len);
        zoomed.sort_unstable();
        Self { candidates, zoomed, voted: Vec::new() }
    }

    /// Whether passage `j` is at hand: it was taken, or it was not to choose from.
    pub fn has_at_hand(&self, j: usize) -> bool {
        j >= self.candidates || self.zoomed.binary_search(&j).is_ok()
    }

    fn first(order: Vec<usize>, tally: &Tally, zoom: Zoom, detail: impl Fn(usize) -> Range<usize>) -> Self {
        let mut zoomed = match zoom {
            Zoom::Thoughts(count) => order.into_iter().take(count).collect(),
            Zoom::Tokens(budget) => within_budget(order, budget, |j| detail(j).len()),
            Zoom::Mass(share) => up_to_mass(order, share, tally),
        };
        zoomed.sort_unstable();
        let voted = (0..tally.len()).filter(|&j| tally.votes[j] > 0).collect();
        Self { candidates: tally.len(), zoomed, voted }
    }
}

impl Selection {
    /// What the row sees: `base`, the detail of what is zoomed, and, unless all summaries are visible anyway,
    /// those of the thoughts that got a vote.
    pub fn reveal(
        &self,
        base: &PositionSet,
        thoughts: &[Thought],
        summaries: SummaryVisibility,
    ) -> PositionSet {
        let mut set = base.clone();
        for &j in &self.zoomed {
            set.insert(thoughts[j].detail.clone());
        }
        if summaries == SummaryVisibility::Voted {
            let voted = self.voted.iter().filter_map(|&j| thoughts[j].summary.clone());
            voted.for_each(|summary| set.insert(summary));
        }
        set
    }
}

/// Most votes first; ties go to the higher mean softmax score, then to the older thought.
fn by_votes(tally: &Tally) -> Vec<usize> {
    let mut order = by_mass(tally);
    order.sort_by_key(|&j| Reverse(tally.votes[j]));
    order
}

/// Most mass first; ties go to the older thought.
fn by_mass(tally: &Tally) -> Vec<usize> {
    let mut order: Vec<usize> = (0..tally.len()).collect();
    order.sort_by_key(|&j| Reverse(tally.shares[j]));
    order
}

fn within_budget(order: Vec<usize>, budget: usize, len: impl Fn(usize) -> usize) -> Vec<usize> {
    let mut left = budget;
    let fits = |j: &usize| match left.checked_sub(len(*j)) {
        Some(rest) => {
            left = rest;
            true
        }
        None => false,
    };
    order.into_iter().filter(fits).collect()
}

fn up_to_mass(order: Vec<usize>, share: f64, tally: &Tally) -> Vec<usize> {
    let wanted = share * f64::from(tally.heads) * f64::from(SHARE_UNITS);
    let mut held = 0.0;
    let lacking = |j: &usize| {
        let more = held < wanted;
        held += f64::from(tally.shares[*j]);
        more
    };
    order.into_iter().take_while(lacking).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(votes: &[u32], mass: &[f64]) -> Tally {
        let shares = mass.iter().map(|mass| (mass * f64::from(SHARE_UNITS)).round() as u32).collect();
        Tally { votes: votes.to_vec(), shares, heads: 1, attended: 0 }
    }

    fn zoomed(tally: &Tally, zoom: Zoom) -> Vec<usize> {
        Selection::consensus(tally, zoom, |j| 0..10 * (j + 1)).zoomed
    }

    #[test]
    fn ties_go_to_mass_then_to_age() {
        let t = tally(&[1, 2, 2, 1], &[0.2, 0.1, 0.3, 0.2]);
        assert_eq!(zoomed(&t, Zoom::Thoughts(1)), [2]);
        assert_eq!(zoomed(&t, Zoom::Thoughts(3)), [0, 1, 2]);
        assert!(zoomed(&t, Zoom::Thoughts(0)).is_empty());
    }

    #[test]
    fn mass_alone_outweighs_votes_which_still_show_summaries() {
        let t = tally(&[0, 2, 1, 0], &[0.2, 0.1, 0.1, 0.6]);
        let selection = Selection::by_mass(&t, Zoom::Thoughts(3), |j| j..j + 1);
        assert_eq!((selection.zoomed, selection.voted), (vec![0, 1, 3], vec![1, 2]));
    }

    #[test]
    fn budgets_pass_over_what_does_not_fit() {
        let t = tally(&[1, 0, 3, 2], &[0.0; 4]);
        assert_eq!(zoomed(&t, Zoom::Tokens(45)), [0, 2]);
    }

    #[test]
    fn passages_come_to_hand_by_their_share_per_token() {
        let lengths = [64, 8, 64, 8, 64];
        let t = tally(&[0; 5], &[0.5, 0.125, 0.25, 0.0625, 0.9]);
        let at_hand = |tokens| Selection::at_hand(&t, 4, tokens, |j| lengths[j]);
        assert_eq!(at_hand(8).zoomed, [1], "a sixty-fourth a token");
        assert_eq!(at_hand(72).zoomed, [0, 1], "of equals, the older");
        assert_eq!(at_hand(71).zoomed, [1, 3], "what does not fit is passed over");
        assert!(at_hand(0).zoomed.is_empty());
        let has: Vec<bool> = (0..5).map(|j| at_hand(8).has_at_hand(j)).collect();
        assert_eq!(has, [false, true, false, false, true], "the last was not to choose from");
    }

    #[test]
    fn mass_takes_as_many_as_it_needs() {
        let t = tally(&[3, 2, 1], &[0.5, 0.3, 0.2]);
        assert_eq!(zoomed(&t, Zoom::Mass(0.6)), [0, 1]);
        assert_eq!(zoomed(&t, Zoom::Mass(1.0)), [0, 1, 2]);
    }
}
