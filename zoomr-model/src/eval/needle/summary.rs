//! A table's rows: what a setting came to on all needles.

use serde::Serialize;

use super::Sought;
use crate::{eval::interval, setting::Setting};

/// What a setting came to. Log-probabilities are natural, and means over all needles.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NeedleRow {
    /// The setting's name.
    pub setting: String,
    /// The policy's name.
    pub policy: &'static str,
    /// The share of needles, 0 to 1, whose value is likelier than any other that is in the text.
    pub found: f64,
    /// Its 95% interval: see [`interval`].
    pub found_95: (f64, f64),
    /// The share of needles, 0 to 1, of whose value each token is the likeliest.
    pub exact: f64,
    /// The right value's log-probability.
    pub logprob: f64,
    /// The same per token.
    pub logprob_per_token: f64,
    /// Tokens attended by a row of questions and values.
    pub attended_tokens: f64,
    /// How many times fewer they are than with full attention.
    pub attended_times_fewer: f64,
}

impl NeedleRow {
    /// The row of a setting; there is at least one needle.
    pub fn new(setting: &Setting, sought: &[Sought]) -> Self {
        let count = |is: fn(&Sought) -> bool| sought.iter().filter(|sought| is(sought)).count();
        let mean = |of: fn(&Sought) -> f64| sought.iter().map(of).sum::<f64>() / sought.len() as f64;
        let found = count(|sought| sought.found);
        let attended_tokens = mean(|sought| sought.attended_tokens);
        Self {
            setting: setting.name().to_owned(),
            policy: setting.settings().policy.name(),
            found: found as f64 / sought.len() as f64,
            found_95: interval(found, sought.len()),
            exact: count(|sought| sought.exact) as f64 / sought.len() as f64,
            logprob: mean(|sought| sought.logprob),
            logprob_per_token: mean(|sought| sought.logprob_per_token),
            attended_tokens,
            attended_times_fewer: mean(|sought| sought.causal_tokens) / attended_tokens,
        }
    }
}
