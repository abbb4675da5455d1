//! `zoomr train`: trains a model, from scratch or further, and leaves a model directory.

use std::{
    fs,
    ops::ControlFlow,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Instant,
};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use zoomr_model::{
    config::ModelConfig,
    data::{lines::Existing, synth::vocabulary},
    habits::Habits,
    hub,
    text::tokenizer::Tokenizer,
    train::{Lessons, Parameters, Recipe, Run, SavedDtype, StepReport, Trainer, plot, save},
    weights::Weights,
};

use crate::{
    args::{model::BackendArgs, training::RecipeArgs},
    interrupt::Interrupt,
    output::{note, status::Status},
    provider::{self, Job, Provider},
};

/// What of a model directory goes along into the trained one's.
const COMPANIONS: [&str; 4] =
    ["tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "generation_config.json"];

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
    #[arg(long, short, value_name = "DIR")]
    out: PathBuf,

    /// Go on from the last checkpoint in that directory, if there is one.
    #[arg(long)]
    resume: bool,

    /// Steps between checkpoints: what a run that is killed loses at most.
    #[arg(long, value_name = "N", default_value_t = 100)]
    checkpoint_every: usize,

    /// How the trained weights are written.
    #[arg(long, value_enum, default_value = "bf16")]
    dtype: Dtype,

    #[command(flatten)]
    recipe: RecipeArgs,

    #[command(flatten)]
    backend: BackendArgs,
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
    let TrainArgs { model, config, out, resume, checkpoint_every, dtype, recipe, backend } = args;
    let recipe = recipe.read()?;
    let interrupt = Interrupt::listen(Vec::new())?;
    let status = Status::new();
    let start = match (model, config) {
        (Some(model), _) => Start::Model(hub::resolve(&model, &mut status.download())?),
        (None, Some(config)) => Start::Config(config),
        (None, None) => bail!("nothing to train: give --model or --config"),
    };
    start.check(&out)?;
    let dtype = match dtype {
        Dtype::F32 => SavedDtype::F32,
        Dtype::Bf16 => SavedDtype::Bf16,
    };
    provider::on(
        backend.choice(),
        Train { start, out, resume, checkpoint_every, dtype, recipe, interrupt, status },
    )
}

/// What training starts from.
enum Start {
    /// A model directory.
    Model(PathBuf),
    /// A configuration.
    Config(PathBuf),
}

impl Start {
    fn config(&self) -> Result<ModelConfig> {
        match self {
            Self::Model(dir) => Ok(ModelConfig::from_dir(dir)?),
            Self::Config(path) => {
                let text =
                    fs::read_to_string(path).with_context(|| format!("--config {}", path.display()))?;
                ModelConfig::from_json(&text).with_context(|| format!("--config {}", path.display()))
            }
        }
    }

    /// Makes sure that the trained model will not take the place of the one that it starts from.
    fn check(&self, out: &Path) -> Result<()> {
        let Self::Model(dir) = self else { return Ok(()) };
        let place = |path: &Path| fs::canonicalize(path).ok();
        match place(out).is_some_and(|out| place(dir) == Some(out)) {
            true => bail!("--out {} is the model itself; give another directory", out.display()),
            false => Ok(()),
        }
    }

    fn tokenizer(&self) -> Result<Tokenizer> {
        match self {
            Self::Model(dir) => Ok(Tokenizer::from_dir(dir)?),
            Self::Config(_) => {
                let dir = tempfile::tempdir().context("cannot make a temporary directory")?;
                vocabulary::write_tokenizer(dir.path(), Existing::Replace)?;
                Ok(Tokenizer::from_dir(dir.path())?)
            }
        }
    }

    /// What the model is taught about thinking: between which markers, and under which method.
    fn habits(&self, recipe: &Recipe) -> Result<Habits> {
        let known = match self {
            Self::Model(dir) => Habits::from_dir(dir)?,
            Self::Config(_) => None,
        };
        let markers = known.map_or_else(vocabulary::markers, |habits| habits.markers);
        Ok(Habits { markers, method: recipe.method.clone() })
    }

    /// Writes configuration and tokenizer to `out`.
    fn companions(&self, out: &Path) -> Result<()> {
        // Read whole before anything is written: a run that goes on may have been given its own configuration.
        let copy = |from: &Path, name: &str| {
            let copied = fs::read(from).and_then(|bytes| fs::write(out.join(name), bytes));
            copied.with_context(|| format!("cannot copy {}", from.display()))
        };
        match self {
            Self::Config(path) => {
                copy(path, "config.json")?;
                vocabulary::write_tokenizer(out, Existing::Replace)?;
            }
            Self::Model(dir) => {
                copy(&dir.join("config.json"), "config.json")?;
                for name in COMPANIONS.into_iter().filter(|name| dir.join(name).exists()) {
                    copy(&dir.join(name), name)?;
                }
            }
        }
        Ok(())
    }
}

/// The command, ready to run on a backend.
struct Train {
    start: Start,
    out: PathBuf,
    resume: bool,
    checkpoint_every: usize,
    dtype: SavedDtype,
    recipe: Recipe,
    interrupt: Interrupt,
    status: Status,
}

impl Job for Train {
    type Output = ExitCode;

    fn run<P: Provider>(self) -> Result<ExitCode> {
        let config = self.start.config()?;
        let tokenizer = self.start.tokenizer()?;
        tokenizer.check_vocabulary(config.vocab_size())?;
        let (kernels, device) = P::open()?;
        let parameters = match &self.start {
            Start::Config(_) => Parameters::<P::Backend>::random(&config, self.recipe.seed, &device),
            Start::Model(dir) => {
                let weights = Weights::open(dir, &config.tensors())?;
                Parameters::read(&config, &weights, &device)?
            }
        };
        let habits = self.start.habits(&self.recipe)?;
        let lessons =
            Lessons::new(&self.recipe, &tokenizer, habits.markers.clone(), config.context_length())?;
        let steps = self.recipe.steps();
        let trainer = Trainer::new(config.clone(), parameters, self.recipe, kernels, &device)?;
        let mut run = Run::open(trainer, &self.out, self.checkpoint_every, self.resume)?;
        // Not before: a directory that holds another run is left as it is.
        self.start.companions(&self.out)?;
        habits.write(&self.out).with_context(|| format!("cannot write {}/zoomr.json", self.out.display()))?;

        self.interrupt.begin_steps();
        let mut pace = Pace::new(steps);
        let over = run.go_on(&lessons, &mut |report| {
            pace.add(report);
            self.status.say(&pace.line());
            if self.interrupt.stopping() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        self.status.clear();
        let over = over?;
        save(&config, &run.trainer().parameters(), self.dtype, &self.out.join("model.safetensors"))?;
        draw(run.log(), &self.out.join("loss.svg"))?;
        note(&pace.line());
        if over { Ok(ExitCode::SUCCESS) } else { Ok(Interrupt::code()) }
    }
}

/// Draws the loss of a run.
fn draw(log: &[StepReport], path: &Path) -> Result<()> {
    let drawn = plot(log).map_err(anyhow::Error::msg).context("the loss cannot be drawn")?;
    match drawn {
        Some(svg) => fs::write(path, svg).with_context(|| format!("cannot write {}", path.display())),
        None => Ok(()),
    }
}

/// How far training is, and how fast.
struct Pace {
    steps: usize,
    begun: Instant,
    /// Steps and tokens since then.
    done: usize,
    tokens: usize,
    last: usize,
    /// The mean loss of recent steps.
    loss: Option<f64>,
}

impl Pace {
    fn new(steps: usize) -> Self {
        Self { steps, begun: Instant::now(), done: 0, tokens: 0, last: 0, loss: None }
    }

    fn add(&mut self, report: &StepReport) {
        self.done += 1;
        self.tokens += report.tokens;
        self.last = report.step;
        // Each step counts for a twentieth: steps differ by what they were about.
        self.loss = Some(self.loss.map_or(report.loss, |loss| 0.95 * loss + 0.05 * report.loss));
    }

    fn line(&self) -> String {
        let Some(loss) = self.loss else { return "nothing left to do".to_owned() };
        let seconds = self.begun.elapsed().as_secs_f64().max(1e-9);
        let left = seconds / self.done as f64 * (self.steps - self.last) as f64;
        format!(
            "step {} of {}, loss {loss:.4}, {:.0} tokens per second, {} left",
            self.last,
            self.steps,
            self.tokens as f64 / seconds,
            clock(left)
        )
    }
}

/// Seconds for people.
fn clock(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    format!("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60)
}
