//! Steps 5 to 7 of METHOD.md for one row: from estimates to the blocks that are attended.
//!
//! Plain loops over host numbers, shared by every provider that chooses on the host, so that equal shares give equal
//! choices everywhere (law 7).

use std::cmp::Ordering;

use super::SHARE_UNITS;
use crate::config::BlockScope;

/// The tokens that thresholds are given for.
const THRESHOLD_TOKENS: u64 = 16;

/// The log of the sum of `tokens` exponentials of scores around their mean, less that mean, for normal scores of this
/// variance: the log-partition function of the random energy model (Derrida 1981).
///
/// `ln n + v / 2`, but where the variance is too large for so few tokens to show it, `sqrt(2 v ln n)`.
pub fn log_partition(tokens: usize, variance: f64) -> f64 {
    let log = (tokens as f64).ln();
    if variance < 2.0 * log { log + variance / 2.0 } else { (2.0 * variance * log).sqrt() }
}

/// The share of attention that each block would bring, averaged over heads, in units of 1 / [`SHARE_UNITS`].
///
/// * `estimates`: the log-masses `[heads, blocks]`.
/// * `base`: the log-sum-exp of what each head attends to anyway.
///
/// The result replaces what is in `shares`.
pub fn block_shares<T: Copy + Into<f64>>(estimates: &[T], base: &[T], shares: &mut Vec<u32>) {
    let blocks = estimates.len() / base.len().max(1);
    let mut sums = vec![0.0; blocks];
    for (estimates, &base) in estimates.chunks_exact(blocks.max(1)).zip(base) {
        let estimates = || estimates.iter().map(|&estimate| -> f64 { estimate.into() });
        let max = estimates().fold(base.into(), f64::max);
        if max == f64::NEG_INFINITY {
            continue;
        }
        let total =
            (base.into() - max).exp() + estimates().map(|estimate| (estimate - max).exp()).sum::<f64>();
        sums.iter_mut().zip(estimates()).for_each(|(sum, estimate)| *sum += (estimate - max).exp() / total);
    }
    let units = f64::from(SHARE_UNITS) / base.len().max(1) as f64;
    shares.clear();
    shares.extend(sums.iter().map(|sum| (sum * units).round() as u32));
}

/// How many blocks a KV head, or a layer, attends to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockRule {
    /// Whose shares choose, and for whom.
    pub scope: BlockScope,
    /// The least share per 16 tokens, in units of 1 / [`SHARE_UNITS`]; 0 for all blocks.
    pub threshold: u32,
    /// The most tokens of blocks.
    pub most: usize,
}

impl BlockRule {
    /// How many sets of blocks a layer of so many KV heads chooses.
    pub fn sets(&self, kv_heads: usize) -> usize {
        match self.scope {
            BlockScope::Kv => kv_heads,
            BlockScope::Layer => 1,
        }
    }

    /// The chosen blocks, ascending, in place of what is in `chosen`: those with at least the threshold, and of them the
    /// best, as long as their tokens are no more than the most. Ties go to the older block.
    ///
    /// `at_hand(u)` is how many tokens block `u` has, `None` where it cannot be chosen.
    pub fn choose(&self, shares: &[u32], at_hand: impl Fn(usize) -> Option<usize>, chosen: &mut Vec<usize>) {
        let reaches = |&u: &usize| {
            at_hand(u).is_some_and(|tokens| {
                THRESHOLD_TOKENS * u64::from(shares[u]) >= u64::from(self.threshold) * tokens as u64
            })
        };
        chosen.clear();
        chosen.extend((0..shares.len()).filter(reaches));
        let tokens = |u: usize| at_hand(u).unwrap_or(0);
        if chosen.iter().map(|&u| tokens(u)).sum::<usize>() > self.most {
            self.cut(shares, tokens, chosen);
        }
    }

    /// Keeps the best, which together have more tokens than there may be.
    fn cut(&self, shares: &[u32], tokens: impl Fn(usize) -> usize, chosen: &mut Vec<usize>) {
        let better = |a: &usize, b: &usize| by_share_per_token(shares, &tokens, *a, *b);
        // No block is empty: the best hold more tokens than there are of them.
        if self.most + 1 < chosen.len() {
            chosen.select_nth_unstable_by(self.most, better);
            chosen.truncate(self.most + 1);
        }
        chosen.sort_unstable_by(better);
        let mut left = self.most;
        let fits = |&u: &usize| {
            let rest = left.checked_sub(tokens(u));
            left = rest.unwrap_or(0);
            rest.is_some()
        };
        let count = chosen.iter().copied().take_while(fits).count();
        chosen.truncate(count);
        chosen.sort_unstable();
    }
}

/// The order of what has more share per token first; ties go to the older. `tokens(u)` is at least 1.
pub(super) fn by_share_per_token(
    shares: &[u32],
    tokens: impl Fn(usize) -> usize,
    a: usize,
    b: usize,
) -> Ordering {
    let [of_a, of_b] = [(a, b), (b, a)].map(|(u, other)| u64::from(shares[u]) * tokens(other) as u64);
    of_b.cmp(&of_a).then(a.cmp(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(shares: &[u32], tokens: &[usize], threshold: u32, most: usize) -> Vec<usize> {
        let mut chosen = vec![9];
        let rule = BlockRule { scope: BlockScope::Kv, threshold, most };
        rule.choose(shares, |u| Some(tokens[u]).filter(|&tokens| tokens > 0), &mut chosen);
        chosen
    }

    #[test]
    fn blocks_are_chosen_by_their_share_per_token() {
        let (shares, tokens) = ([40, 39, 10, 9, 0], [4, 4, 1, 1, 4]);
        assert_eq!(choose(&shares, &tokens, 160, 100), [0, 2], "ten a token, for sixteen of them");
        assert_eq!(choose(&shares, &tokens, 0, 100), [0, 1, 2, 3, 4]);
        assert_eq!(choose(&shares, &tokens, 0, 9), [0, 1, 2], "the next would be one too many");
        assert_eq!(choose(&shares, &tokens, 0, 4), [0]);
        assert!(choose(&shares, &tokens, 0, 0).is_empty());
        assert!(choose(&[], &[], 0, 8).is_empty());
        assert_eq!(choose(&[40, 39], &[0, 4], 0, 100), [1], "the other is not at hand");
    }

    #[test]
    fn ties_go_to_the_older() {
        assert_eq!(choose(&[5; 9], &[4; 9], 0, 14), [0, 1, 2]);
        assert_eq!(choose(&[8, 4, 8, 8], &[4, 2, 4, 4], 32, 10), [0, 1, 2], "equal per token");
    }

    #[test]
    fn what_is_cut_is_what_sorting_cuts() {
        let shares: Vec<u32> = (0..200u32).map(|u| u * 7919 % 31).collect();
        let tokens: Vec<usize> = (0..200).map(|u| 1 + u * 5 % 4).collect();
        let mut order: Vec<usize> = (0..200).collect();
        order.sort_by(|&a, &b| (shares[b] as usize * tokens[a]).cmp(&(shares[a] as usize * tokens[b])));
        for most in [1, 2, 3, 17, 100, 350, 499] {
            let mut held = 0;
            let fits = |u: &usize| {
                held += tokens[*u];
                held <= most
            };
            let mut expected: Vec<usize> = order.iter().copied().take_while(fits).collect();
            expected.sort_unstable();
            assert_eq!(choose(&shares, &tokens, 0, most), expected, "{most}");
        }
    }

    #[test]
    fn shares_are_of_the_base_and_all_blocks_and_averaged_over_heads() {
        let mut shares = vec![7];
        // The first head finds half of its attention in block 1, the second nothing anywhere.
        let estimates = [0.0, 2.0_f64.ln(), f64::NEG_INFINITY, f64::NEG_INFINITY];
        block_shares(&estimates, &[0.0, f64::NEG_INFINITY], &mut shares);
        assert_eq!(shares, [SHARE_UNITS / 8, SHARE_UNITS / 4]);
        block_shares(&[1e4_f32], &[-1e4], &mut shares);
        assert_eq!(shares, [SHARE_UNITS]);
        block_shares::<f32>(&[], &[1.0], &mut shares);
        assert!(shares.is_empty());
    }

    #[test]
    fn few_tokens_cannot_show_a_large_variance() {
        assert_eq!(log_partition(1, 50.0), 0.0);
        let (log, edge) = (4.0_f64.ln(), 2.0 * 4.0_f64.ln());
        assert_eq!(log_partition(4, 1.0), log + 0.5);
        assert!((log_partition(4, edge) - 2.0 * log).abs() < 1e-12, "both branches meet");
        assert_eq!(log_partition(4, 4.0 * edge), 4.0 * log);
    }
}
