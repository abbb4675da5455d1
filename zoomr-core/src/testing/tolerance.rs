//! How much error is too much: a rule, not a number.
//!
//! The portable kernels are held to a bound that follows from the arithmetic; every other provider to twice
//! the portable kernels' actual error on the same inputs in the same dtype, both against the f64 oracle.

/// What bounds the rounding error of one attention call.
#[derive(Clone, Copy, Debug)]
pub struct Arithmetic {
    /// The dtype's machine epsilon.
    pub epsilon: f64,
    /// Elements per head: terms of one score.
    pub head_dim: usize,
    /// Tokens attended: terms of one output.
    pub tokens: usize,
    /// The largest magnitude of queries and keys.
    pub qk: f64,
    /// The largest magnitude of values.
    pub value: f64,
    /// What scores are scaled by.
    pub scale: f64,
}

impl Arithmetic {
    /// A bound on the error of scores: a dot product of `d` terms errs by at most `d eps sum |q k|`.
    pub fn score_error(&self) -> f64 {
        let d = self.head_dim as f64;
        (d + 1.0) * self.epsilon * d * self.qk * self.qk * self.scale
    }

    /// A bound on the error of outputs: weights err relatively by twice the scores' error and the
    /// exponentials' rounding, the weighted mean by another rounding per token.
    pub fn output_error(&self) -> f64 {
        (2.0 * self.score_error() + (self.tokens as f64 + 8.0) * self.epsilon) * self.value
    }

    /// A bound on the error of log-sum-exps.
    pub fn lse_error(&self) -> f64 {
        let largest = self.head_dim as f64 * self.qk * self.qk * self.scale + (self.tokens as f64).ln_1p();
        self.score_error() + (self.tokens as f64 + 8.0) * self.epsilon + largest * self.epsilon
    }
}

/// The largest difference; infinite where one side is NaN and the other is not, or infinities differ.
pub fn error(found: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len(), "lengths differ");
    let one = |(a, b): (&f64, &f64)| match (a, b) {
        (a, b) if a == b || (a.is_nan() && b.is_nan()) => 0.0,
        (a, b) if (a - b).is_finite() => (a - b).abs(),
        _ => f64::INFINITY,
    };
    found.iter().zip(expected).map(one).fold(0.0, f64::max)
}

/// What a provider may err by, given the portable kernels' error and the bound on that: twice the former,
/// but at least a rounding or two, since the portable kernels may be exact by luck.
pub fn allowed(portable: f64, epsilon: f64, magnitude: f64) -> f64 {
    2.0 * portable + 4.0 * epsilon * magnitude.max(1.0)
}
