//! How the next token is chosen.

use anyhow::{Result, anyhow};
use clap::Args;
use zoomr_model::text::sample::{Sampler, SamplingError, SamplingOptions};

/// Flags that go before what the model's makers recommend.
#[derive(Debug, Args)]
#[command(next_help_heading = "Sampling")]
pub(crate) struct SamplingArgs {
    /// Randomness: 0 always takes the likeliest token [default: the model's own, else 0.7].
    #[arg(long, visible_alias = "temp", value_name = "T")]
    temperature: Option<f32>,

    /// Choose among this many of the likeliest tokens; 0 is all of them [default: the model's own, else all].
    #[arg(long, value_name = "K")]
    top_k: Option<usize>,

    /// Choose among the likeliest tokens that make up this probability [default: the model's own, else 0.95].
    #[arg(long, value_name = "P")]
    top_p: Option<f32>,

    /// Choose among tokens with at least this share of the likeliest one's probability [default: the
    /// model's own, else 0.05].
    #[arg(long, value_name = "P")]
    min_p: Option<f32>,

    /// Makes tokens that came before less likely; 1 is off [default: the model's own, else 1].
    #[arg(long, alias = "repeat-penalty", value_name = "R")]
    repetition_penalty: Option<f32>,
}

impl SamplingArgs {
    /// A sampler: the flags, and where they say nothing, `recommended`, with random numbers from `seed` on.
    ///
    /// # Errors
    /// Names the flag that is out of its range.
    pub(crate) fn sampler(&self, recommended: SamplingOptions, seed: u64) -> Result<Sampler> {
        let options = SamplingOptions {
            temperature: self.temperature.unwrap_or(recommended.temperature),
            top_k: self.top_k.map_or(recommended.top_k, |k| Some(k).filter(|&k| k > 0)),
            top_p: self.top_p.unwrap_or(recommended.top_p),
            min_p: self.min_p.unwrap_or(recommended.min_p),
            repetition_penalty: self.repetition_penalty.unwrap_or(recommended.repetition_penalty),
            seed,
        };
        Sampler::new(options).map_err(|error| match error {
            SamplingError::Option { option, value, range } => {
                anyhow!("--{}: {value} will not do; it must be {range}", option.replace('_', "-"))
            }
            other => other.into(),
        })
    }

    /// Whether any of them is given.
    #[cfg(feature = "train")]
    pub(crate) fn are_given(&self) -> bool {
        let Self { temperature, top_k, top_p, min_p, repetition_penalty } = self;
        let shares = [temperature, top_p, min_p, repetition_penalty];
        top_k.is_some() || shares.into_iter().any(Option::is_some)
    }

    /// Refuses what no model could make good.
    ///
    /// # Errors
    /// As [`sampler`](Self::sampler).
    pub(crate) fn check(&self) -> Result<()> {
        self.sampler(SamplingOptions::default(), 0).map(drop)
    }
}
