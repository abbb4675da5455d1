//! Level 1 with blocks: from a ballot to the passages that are at hand at the next step.

use std::ops::Range;

use super::{Tally, blocks::by_share_per_token, consensus::within_budget};

/// Which passages are at hand, a bit for each that a ballot has heard of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    heard: usize,
    bits: Box<[u64]>,
}

impl Taken {
    /// Of the passages `heard` those with the highest share per token, as many as fit into `tokens`; one that does not fit
    /// is passed over, ties go to the older. What comes before them is seen anyway, what comes after is at hand. `len(j)`
    /// gives the tokens of passage `j` that are not seen anyway, one at least.
    pub fn new(tally: &Tally, heard: Range<usize>, tokens: usize, len: impl Fn(usize) -> usize) -> Self {
        let mut order: Vec<usize> = heard.clone().collect();
        order.sort_by(|&a, &b| by_share_per_token(&tally.shares, &len, a, b));
        let mut bits = vec![0; heard.end.div_ceil(64)];
        within_budget(order, tokens, len).into_iter().for_each(|j| bits[j / 64] |= 1 << (j % 64));
        Self { heard: heard.end, bits: bits.into() }
    }

    /// Whether passage `j` is at hand: it was taken, or no ballot has heard of it.
    pub fn has(&self, j: usize) -> bool {
        j >= self.heard || self.bits[j / 64] >> (j % 64) & 1 == 1
    }

    /// The passages that were taken, in order.
    pub fn passages(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.heard).filter(|&j| self.has(j))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_per_token_are_taken_and_what_is_new_is_at_hand() {
        let shares = vec![9, 8, 40, 0, 9, 7];
        let tally = Tally { votes: vec![0; 6], shares, ..Tally::default() };
        let taken = |tokens: usize| -> Vec<usize> {
            let lens = [4, 2, 8, 4, 4, 1];
            Taken::new(&tally, 0..5, tokens, |j| lens[j]).passages().collect()
        };
        // Per token: 2.25, 4, 5, 0, 2.25.
        assert_eq!(taken(10), [1, 2]);
        assert_eq!(taken(9), [2], "the next would be one too many, and so would those after it");
        assert_eq!(taken(14), [0, 1, 2], "ties go to the older");
        assert_eq!(taken(7), [0, 1], "what does not fit is passed over");
        assert!(taken(0).is_empty());
        let later = Taken::new(&tally, 2..5, 14, |_| 4);
        assert_eq!(later.passages().collect::<Vec<_>>(), [2, 3, 4], "those before are seen anyway");
        let none = Taken::new(&tally, 0..5, 0, |_| 1);
        assert!(!none.has(4) && none.has(5));
        let many = Taken::new(&Tally { shares: vec![1; 200], ..Tally::none(200) }, 0..200, 150, |_| 1);
        assert!((0..150).all(|j| many.has(j)) && (150..200).all(|j| !many.has(j)));
    }
}
