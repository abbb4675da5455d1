//! `zoomr train`: trains a model, from scratch or further, and leaves a model directory.

mod pace;
mod start;

use std::{
    ops::ControlFlow,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use zoomr_model::{
    atomic_file::{Existing, write},
    gguf::is_gguf,
    train::{
        Curriculum, LoraOptions, Recipe, RecipeOptions, Run, SavedDtype, StepReport, Trainer, plot, save,
        save_adapter,
    },
};

use self::{
    pace::Pace,
    start::{Prepared, Start},
};
use crate::{
    args::{
        model::{ComputeArgs, find},
        parse::directory,
        training::RecipeArgs,
    },
    interrupt::Interrupt,
    output::{counter::Counter, note, places::Places, status::Status},
    provider::{self, Job, Provider},
};

/// Flags of `train`.
#[derive(Debug, Args)]
pub(crate) struct TrainArgs {
    /// Train this model further: a Hugging Face model directory, or a hub id.
    #[arg(long, short, value_name = "DIR|ID", required_unless_present = "config", conflicts_with = "config")]
    model: Option<String>,

    /// Train a model of this configuration (`config.json`) from scratch, over the words of `zoomr data synth`.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Where the model, its log and its checkpoint go.
    #[arg(long, short, value_name = "DIR", value_parser = directory)]
    out: PathBuf,

    /// Go on from the last checkpoint in that directory, if there is one. --steps (or the steps of a recipe's last
    /// phase) may be more than before: the learning rate then falls towards the new end.
    #[arg(long)]
    resume: bool,

    /// Steps between checkpoints: what a run that is killed loses at most.
    #[arg(long, value_name = "N", default_value_t = 100)]
    checkpoint_every: usize,

    /// Put each question as a user's turn, through the model's chat template.
    #[arg(long, requires = "model")]
    chat: bool,

    /// With --lora: write the adapters alone, in PEFT's layout, to be used with --adapter; else they are added to the
    /// model's matrices, and the result is a model like any other.
    #[arg(long)]
    keep_adapter: bool,

    /// How the trained weights are written.
    #[arg(long, value_enum, default_value = "bf16")]
    dtype: Dtype,

    #[command(flatten)]
    recipe: RecipeArgs,

    #[command(flatten)]
    compute: ComputeArgs,
}

/// Element types of weights.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Dtype {
    /// As trained.
    F32,
    /// Half the size.
    Bf16,
}

/// Runs the command.
///
/// # Errors
/// Whatever went wrong, ready to be shown.
pub(crate) fn run(args: TrainArgs) -> Result<ExitCode> {
    let mut places = Places::default();
    let recipe = args.recipe.read(&mut places)?;
    if args.keep_adapter && recipe.lora.is_none() {
        bail!("--keep-adapter: no adapters are trained; give --lora");
    }
    let interrupt = Interrupt::listen()?;
    let start = match (args.model, args.config) {
        (Some(model), _) => {
            let dir = find(&model, &Status::new())?;
            if is_gguf(&dir) {
                bail!(
                    "--model: {model} is in GGUF; training starts from a checkpoint in safetensors: give that"
                );
            }
            Start::Model { dir, name: model }
        }
        (None, Some(_)) if args.keep_adapter => {
            bail!(
                "--keep-adapter: an adapter is of no use without its model; give --model, or train all weights"
            );
        }
        (None, Some(config)) => Start::Config(config),
        (None, None) => bail!("nothing to train: give --model or --config"),
    };
    start.check(&args.out, &mut places)?;
    let prepared = start.prepare(&recipe.method, args.chat, &args.out)?;
    let recipe = whole_embeddings(recipe, &prepared)?;
    let dtype = match args.dtype {
        Dtype::F32 => SavedDtype::F32,
        Dtype::Bf16 => SavedDtype::Bf16,
    };
    let save = Saving { out: args.out, every: args.checkpoint_every, keep_adapter: args.keep_adapter, dtype };
    let resume = args.resume;
    provider::on(args.compute.start()?, Train { prepared, save, resume, recipe, interrupt })
}

/// Tokens that are new must be learnt, also where else only adapters are: their matrices are trained whole.
fn whole_embeddings(recipe: Recipe, prepared: &Prepared) -> Result<Recipe> {
    let Some(lora) = recipe.lora.clone().filter(|_| prepared.has_new_tokens()) else { return Ok(recipe) };
    let names = ["embed_tokens", "lm_head"].iter().take(if prepared.config().is_tied() { 1 } else { 2 });
    let lora = LoraOptions { whole: names.map(ToString::to_string).collect(), ..lora };
    Ok(Recipe::try_from(RecipeOptions { lora: Some(lora), ..(*recipe).clone() })?)
}

/// What is written, and when.
struct Saving {
    out: PathBuf,
    /// Steps between checkpoints.
    every: usize,
    keep_adapter: bool,
    dtype: SavedDtype,
}

/// The command, ready to run on a backend.
struct Train {
    prepared: Prepared,
    save: Saving,
    resume: bool,
    recipe: Recipe,
    interrupt: Interrupt,
}

impl Job for Train {
    type Output = ExitCode;

    fn run<P: Provider>(self) -> Result<ExitCode> {
        let Self { prepared, save: saving, recipe, .. } = self;
        let config = prepared.config();
        let (kernels, device) = P::open()?;
        let status = Status::new();
        let parameters = prepared.parameters::<P::Backend>(recipe.seed, &device, &status)?;
        status.say("reading the texts, and what tells them and the model from others");
        let curriculum = Curriculum::new(
            &recipe,
            prepared.tokenizer(),
            prepared.markers(),
            prepared.chat(),
            config.context_length(),
        )?;
        let steps = recipe.steps();
        let lora = recipe.lora.clone();
        let trainer = Trainer::new(config.clone(), parameters, recipe, kernels, &device)?;
        let mut run = Run::open(trainer, &curriculum, &saving.out, saving.every, self.resume)?;
        // Not before: a directory that holds another run is left as it is.
        prepared.write(&saving.out, saving.keep_adapter)?;
        status.clear();

        self.interrupt.begin_steps();
        let done = run.trainer().steps();
        let (mut pace, counter) = (Pace::new(), Counter::new("steps", done, steps));
        let over = run.go_on(&mut |report| {
            pace.add(report);
            counter.at(report.step, &pace.line().map_or(String::new(), |line| format!("; {line}")));
            if self.interrupt.stopping() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        counter.clear();
        let over = over?;
        let trainer = run.trainer();
        match lora.filter(|_| saving.keep_adapter) {
            Some(lora) => {
                save_adapter(config, trainer.trained(), &lora, prepared.name(), saving.dtype, &saving.out)?;
            }
            None => {
                let path = saving.out.join("model.safetensors");
                save(config, &trainer.parameters(), saving.dtype, &path)?;
            }
        }
        draw(run.log(), &saving.out.join("loss.svg"))?;
        let done = run.trainer().steps();
        let line = pace.line().unwrap_or_else(|| "nothing was left to do".to_owned());
        note(&format!("step {done} of {steps}: {line}"));
        if over { Ok(ExitCode::SUCCESS) } else { Ok(Interrupt::code()) }
    }
}

/// Draws the loss of a run.
fn draw(log: &[StepReport], path: &Path) -> Result<()> {
    let drawn = plot(log).map_err(anyhow::Error::msg).context("the loss cannot be drawn")?;
    match drawn {
        Some(svg) => Ok(write(path, svg.as_bytes(), Existing::Replace)?),
        None => Ok(()),
    }
}
