//! How a model is trained: a recipe from a file or from flags, and flags over what the file says.

use std::{ops::RangeInclusive, path::PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use zoomr_model::{
    data::synth::Kind,
    text_file,
    train::{Data, LoraOptions, Phase, Recipe, RecipeOptions},
};

use super::parse::{named, token_range};
use crate::output::places::Places;

/// The recipe.
#[derive(Debug, Args)]
#[command(next_help_heading = "Recipe")]
pub(crate) struct RecipeArgs {
    /// A recipe: phases and settings, as JSON. Flags have the last word.
    #[arg(long, value_name = "FILE")]
    recipe: Option<PathBuf>,

    /// Learn from these examples, a line of JSON each (see `zoomr data`).
    #[arg(long, value_name = "FILE", conflicts_with_all = ["recipe", "synth"], requires = "steps")]
    data: Option<PathBuf>,

    /// Learn from problems of these kinds, made on the spot.
    #[arg(long, value_name = "KIND,..", value_delimiter = ',', conflicts_with = "recipe", requires = "steps",
        value_parser = named(Kind::ALL, Kind::name))]
    synth: Vec<Kind>,

    /// How long such problems are, MIN..MAX tokens.
    #[arg(long, value_name = "MIN..MAX", requires = "synth", conflicts_with_all = ["recipe", "data"],
        default_value = "200..1000", value_parser = token_range)]
    tokens: RangeInclusive<usize>,

    /// Use only the first N labels (t0, t1, ...) in such problems: fewer are learnt sooner.
    #[arg(long, value_name = "N", requires = "synth", conflicts_with_all = ["recipe", "data"])]
    labels: Option<usize>,

    /// Let each such problem ask for up to N values more than one: far lookups are learnt sooner.
    #[arg(long, value_name = "N", requires = "synth", conflicts_with_all = ["recipe", "data"], default_value_t = 0)]
    more_finds: usize,

    /// Steps of the optimiser.
    #[arg(long, value_name = "N", conflicts_with = "recipe")]
    steps: Option<usize>,

    /// Tokens per step, at least.
    #[arg(long, value_name = "N", conflicts_with = "recipe", default_value_t = 4096)]
    step_tokens: usize,

    /// The learning rate after the warm-up.
    #[arg(long, value_name = "RATE")]
    learning_rate: Option<f64>,

    /// Steps over which the learning rate grows.
    #[arg(long, value_name = "N")]
    warm_up: Option<usize>,

    /// The share of texts trained under the mask of decoding, 0 to 1.
    #[arg(long, value_name = "SHARE")]
    zoomed: Option<f64>,

    /// Train adapters of this rank beside the matrices, instead of all weights [default: a recipe's, or 16]. Beside
    /// which, `lora` in a recipe says (`"targets": ["q_proj", ..]`); else beside all.
    #[arg(long, value_name = "RANK", num_args = 0..=1)]
    lora: Option<Option<usize>>,

    /// What adapters are scaled by, times their rank [default: twice the rank].
    #[arg(long, value_name = "ALPHA", requires = "lora")]
    lora_alpha: Option<f64>,

    /// Whatever is drawn at random follows from this.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,

    /// Threads that work side by side; the result does not depend on it.
    #[arg(long, value_name = "N")]
    workers: Option<usize>,
}

impl RecipeArgs {
    /// The recipe, checked.
    ///
    /// # Errors
    /// Where the file cannot be read, nothing says what to learn from, or a setting makes no sense. The files read are
    /// added to `places`.
    pub(crate) fn read(self, places: &mut Places) -> Result<Recipe> {
        let mut options = match &self.recipe {
            Some(path) => {
                places.input("--recipe", path)?;
                let text = text_file::read(path).with_context(|| format!("--recipe {}", path.display()))?;
                serde_json::from_str(&text)
                    .map_err(|error| anyhow!("--recipe {}: {error}", path.display()))?
            }
            None => RecipeOptions { phases: vec![self.phase()?], ..RecipeOptions::default() },
        };
        for phase in &options.phases {
            if let Data::File(path) = &phase.data {
                places.input(if self.recipe.is_some() { "the data of --recipe" } else { "--data" }, path)?;
            }
        }
        options.learning_rate = self.learning_rate.unwrap_or(options.learning_rate);
        options.warm_up = self.warm_up.unwrap_or(options.warm_up);
        if let Some(zoomed) = self.zoomed {
            options.zoomed = zoomed;
            options.phases.iter_mut().for_each(|phase| phase.zoomed = None);
        }
        if let Some(rank) = self.lora {
            let known = options.lora.unwrap_or_default();
            // The paper's ratio.
            let alpha = rank.map_or(known.alpha, |rank| 2.0 * rank as f64);
            let (rank, alpha) = (rank.unwrap_or(known.rank), self.lora_alpha.unwrap_or(alpha));
            options.lora = Some(LoraOptions { rank, alpha, ..known });
        }
        options.seed = self.seed.unwrap_or(options.seed);
        options.workers = self.workers.unwrap_or(options.workers);
        Ok(Recipe::try_from(options)?)
    }

    fn phase(&self) -> Result<Phase> {
        let data = match &self.data {
            Some(path) => Data::File(path.clone()),
            None if self.synth.is_empty() => bail!("nothing to learn from: give --data, --synth or --recipe"),
            None => Data::Synth {
                kinds: self.synth.clone(),
                tokens: self.tokens.clone(),
                labels: self.labels,
                more_finds: self.more_finds,
            },
        };
        let steps = self.steps.context("--steps: say for how long")?;
        let step_tokens = self.step_tokens;
        Ok(Phase { steps, step_tokens, zoomed: None, index_loss: None, data })
    }
}
