//! What a smaller dtype of keys and values costs: full attention in it, against full attention in f32.
//!
//! Not a law that could fail: how much is too much is for the reader to say.

use serde::Serialize;
use zoomr_core::kv::KvDtype;

use super::trial::Trial;

/// How far logits move.
#[derive(Debug, Serialize)]
pub(super) struct Rounding {
    /// What keys and values are stored as.
    pub(super) kv: KvDtype,
    /// The largest difference of two logits; infinite where one of them is no number.
    pub(super) max_logit_difference: f32,
    /// The mean difference.
    pub(super) mean_logit_difference: f64,
    /// The divergence of the next token's distribution from that in f32, in nats, averaged over tokens.
    pub(super) kl_divergence: f64,
}

impl Rounding {
    /// What lies between two trials over the same text, of `vocab` logits a token.
    pub(super) fn between(kv: KvDtype, exact: &Trial, rounded: &Trial, vocab: usize) -> Self {
        let differences = exact.logits.iter().zip(&rounded.logits).map(|(a, b)| f64::from((a - b).abs()));
        let tokens = exact.logits.chunks(vocab).zip(rounded.logits.chunks(vocab));
        let divergences = tokens.clone().map(|(exact, rounded)| divergence(exact, rounded));
        Self {
            kv,
            max_logit_difference: exact.difference(rounded),
            mean_logit_difference: differences.sum::<f64>() / exact.logits.len() as f64,
            kl_divergence: divergences.sum::<f64>() / tokens.len() as f64,
        }
    }
}

/// `sum p ln(p / q)`, in nats, of the distributions whose logits are given.
fn divergence(p: &[f32], q: &[f32]) -> f64 {
    let (p, q) = (logprobs(p), logprobs(q));
    p.iter().zip(&q).map(|(p, q)| p.exp() * (p - q)).sum()
}

fn logprobs(logits: &[f32]) -> Vec<f64> {
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|&x| f64::from(x - max).exp()).sum();
    logits.iter().map(|&x| f64::from(x - max) - sum.ln()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_moves_is_measured_token_by_token() {
        let trial = |logits: &[f32]| Trial { logits: logits.to_vec(), ..Trial::default() };
        // Of two tokens, one keeps its distribution though not its logits, and one goes from even to three to one.
        let three = 3_f32.ln();
        let found =
            Rounding::between(KvDtype::Q8, &trial(&[0.0, 1.0, 0.0, 0.0]), &trial(&[2.0, 3.0, three, 0.0]), 2);
        assert_eq!(found.max_logit_difference, 2.0);
        assert!((found.mean_logit_difference - (4.0 + f64::from(three)) / 4.0).abs() < 1e-6, "{found:?}");
        // 1/2 ln(1/2 / 3/4) + 1/2 ln(1/2 / 1/4) = ln(2 / sqrt(3)), over two tokens.
        assert!((found.kl_divergence - (2.0 / 3_f64.sqrt()).ln() / 2.0).abs() < 1e-6, "{found:?}");
        let none = Rounding::between(KvDtype::F16, &trial(&[1.0, 2.0]), &trial(&[1.0, 2.0]), 2);
        assert_eq!((none.max_logit_difference, none.kl_divergence), (0.0, 0.0));
    }
}
