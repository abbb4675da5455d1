//! Whose rows go into a step, and how many of each.
//!
//! 1. Text that a request writes goes in whole: a token, or the frame of a summary. Nobody who writes waits for a
//!    prompt.
//! 2. What that leaves of the budget, and at least one row, goes to texts that are there already (prompts, and texts
//!    to score), the one that came first before all others. However many write, prompts get on.

use std::num::NonZeroUsize;

/// The most rows of a step: more are faster, and take more memory for activations and longer until the next token.
///
/// Requests that write take a row each whatever the budget says (a few for the frame of a summary), and the oldest
/// prompt takes at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepBudget {
    /// Rows, of all requests together.
    pub rows: NonZeroUsize,
}

/// What a request wants in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Want {
    /// How many tokens.
    pub(super) tokens: usize,
    /// Where the text is there already: which of all tasks it belongs to, in the order in which they began.
    pub(super) given: Option<usize>,
}

impl StepBudget {
    /// How many tokens each may have in, and in which order: their numbers in `wants`, those that write first. Who
    /// has none is left out.
    pub(super) fn share(self, wants: &[Want]) -> Vec<(usize, usize)> {
        let mut order: Vec<usize> = (0..wants.len()).collect();
        // A stable sort, and `None` is less than any number.
        order.sort_by_key(|&number| wants[number].given);
        let writing: usize = wants.iter().filter(|want| want.given.is_none()).map(|want| want.tokens).sum();
        let mut left = self.rows.get().saturating_sub(writing).max(1);
        let share = |number: usize| {
            let Want { tokens, given } = wants[number];
            let share = if given.is_some() { tokens.min(left) } else { tokens };
            left -= if given.is_some() { share } else { 0 };
            (number, share)
        };
        order.into_iter().map(share).filter(|&(_, share)| share > 0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(rows: usize, wants: &[(usize, Option<usize>)]) -> Vec<(usize, usize)> {
        let wants: Vec<Want> = wants.iter().map(|&(tokens, given)| Want { tokens, given }).collect();
        StepBudget { rows: NonZeroUsize::new(rows).unwrap() }.share(&wants)
    }

    #[test]
    fn writers_go_first_and_prompts_in_the_order_in_which_they_came() {
        let wants = [(100, Some(7)), (1, None), (5, Some(2)), (3, None)];
        assert_eq!(share(20, &wants), [(1, 1), (3, 3), (2, 5), (0, 11)]);
        assert_eq!(share(9, &wants), [(1, 1), (3, 3), (2, 5)]);
        assert_eq!(share(6, &wants), [(1, 1), (3, 3), (2, 2)]);
    }

    #[test]
    fn nobody_who_writes_waits_and_the_oldest_prompt_gets_on() {
        let wants = [(9, Some(1)), (9, Some(0)), (1, None), (1, None), (1, None), (0, None)];
        assert_eq!(share(2, &wants), [(2, 1), (3, 1), (4, 1), (1, 1)]);
        assert_eq!(share(2, &[]), []);
    }
}
