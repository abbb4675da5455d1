//! `zoomr needle`: facts hidden in a long text, asked for at its end under several settings.

mod report;
mod shown;

use std::{num::NonZeroUsize, path::PathBuf, process::ExitCode};

use anyhow::Result;
use burn::tensor::backend::Backend;
use clap::Args;
use zoomr_core::kernels::{AttentionKernels, LinearKernels};
use zoomr_model::{
    engine::Event,
    eval::needle::{Haystack, Hiding, Needle, NeedleRow, Search},
    pretrained::Usual,
    reasoning_format::ReasoningFormat,
    setting::Setting,
    text::tokenizer::Tokenizer,
};

use self::{report::Searched, shown::Shown};
use crate::{
    args::{
        method::{self, MethodArgs},
        model::ModelArgs,
        parse::{needle_count, token_count},
        text::{Given, read_text},
    },
    interrupt::Interrupt,
    load::ModelFiles,
    output::{note, places::Places, status::Status},
    provider::{self, Job, Provider},
};

/// What is compared where nothing else is said; and then a window of as many tokens as the last of them attended.
const SETTINGS: [&str; 2] = ["full", "zoomr"];

/// First tokens that this window keeps.
const SINKS: usize = 32;

/// How a needle is hidden, and what counts: the short of `zoomr_model::eval::needle`.
const NOTES: &str = "\
What is hidden:

`To open the quiet lantern, enter quiet lantern 48213.` stands between two sentences of a passage of the text, the first \
needle at 5% of it, the last at 95%; three facts of the same form, with other keys and values, stand at other places. At the \
end follows `To open the quiet lantern, enter quiet lantern`, and it is measured how likely the model finds ` 48213.`. A \
needle is found where its value is likelier, per token, than those of the three others; it is exact where each of its tokens \
is the likeliest of all. Under each setting text and question go in once per needle, and each value is a fork. What is \
attended is counted for question and values.";

/// Flags of `needle`.
#[derive(Debug, Args)]
#[command(after_long_help = NOTES)]
pub(crate) struct NeedleArgs {
    #[command(flatten)]
    model: ModelArgs,

    /// The long text, in UTF-8; `-` is standard input. Several files are read one after another.
    #[arg(long, value_name = "FILE", required = true)]
    text: Vec<PathBuf>,

    /// How many needles.
    #[arg(long, short = 'n', value_name = "N", default_value = "20", value_parser = needle_count)]
    needles: NonZeroUsize,

    /// About how many tokens the passage has that a needle is hidden in, with what is hidden (suffixes k, M); it is made of
    /// whole sentences.
    #[arg(long, value_name = "TOKENS", default_value = "2k", value_parser = token_count)]
    tokens: usize,

    /// Feed the text as if the model had written it, but for its first 32 tokens, not as a prompt.
    #[arg(long)]
    stream: bool,

    /// Search under a policy and its numbers, as in `zoomr:preset=small`; may be given several times. Names are those of the
    /// method's flags; what is not named is as those flags say, or as the model was taught [default: full, zoomr, and a
    /// window of as many tokens as zoomr attended].
    #[arg(long, short, value_name = "POLICY[:NAME=VALUE,..]")]
    setting: Vec<String>,

    /// Where random numbers start: the same seed hides the same needles.
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    seed: u64,

    /// Print one JSON object instead of the table: the needles, and what came of each under each setting.
    #[arg(long)]
    json: bool,

    /// Show all columns, whether the terminal has room for them or not.
    #[arg(long)]
    wide: bool,

    #[command(flatten)]
    method: MethodArgs,
}

/// Runs the command.
///
/// # Errors
/// Whatever went wrong, ready to be shown.
pub(crate) fn run(args: NeedleArgs) -> Result<ExitCode> {
    args.method.check()?;
    // What no model could make good should be said before one is loaded.
    args.settings(None, Usual::default())?;
    let text = args.text.iter().map(|file| read_text("--text", file)).collect::<Result<Vec<_>>>()?;
    let text = text.join("\n\n");
    provider::on(args.model.start()?, Needles { args, text })
}

impl NeedleArgs {
    /// The settings, for a model that was taught `format`.
    fn settings(&self, format: Option<&ReasoningFormat>, usual: Usual) -> Result<Vec<Setting>> {
        method::settings(&self.setting, &SETTINGS, &self.method, format, usual)
    }

    /// A window that attends as much as another setting did.
    fn window(&self, other: &Searched, format: Option<&ReasoningFormat>, usual: Usual) -> Result<Setting> {
        let window = (other.row.attended_tokens.round() as usize).saturating_sub(SINKS).max(1);
        let line = format!("window:sinks={SINKS},window={window}");
        method::setting(&line, &self.method, format, usual)
    }

    /// Hides the needles, which the model's context has to hold.
    fn needles(&self, text: &str, files: &ModelFiles, tokenizer: &Tokenizer) -> Result<Vec<Needle>> {
        files.check_length("haystack", self.tokens)?;
        let haystack = Haystack::new(text, tokenizer)?;
        let (count, tokens, seed) = (self.needles.get(), self.tokens, self.seed);
        let needles = Hiding { haystack: &haystack, tokenizer, count, tokens, seed }.needles()?;
        let longest = needles.iter().map(Needle::tokens_in_all).max().unwrap_or(0);
        files.check_length("haystack with its question and answer", longest)?;
        Ok(needles)
    }
}

/// The command, ready to run on a backend.
struct Needles {
    args: NeedleArgs,
    text: String,
}

impl Job for Needles {
    type Output = ExitCode;

    fn run<P: Provider>(self) -> Result<ExitCode> {
        let Self { args, text } = self;
        let interrupt = Interrupt::listen()?;
        let status = Status::new();
        // A needle is words: there has to be a tokenizer.
        let files = ModelFiles::open(&args.model, &Given::Text(String::new()), Places::default(), &status)?;
        let tokenizer = files.require_tokenizer()?;
        let (segmenter, options) = args.method.resolve(&files, P::USUAL)?;
        let settings = args.settings(files.reasoning_format(), P::USUAL)?;
        status.say("hiding needles");
        let needles = args.needles(&text, &files, tokenizer)?;
        let loaded = files.load_on::<P>(&status)?;
        status.clear();

        let search = Search { loaded: &loaded, tokenizer, segmenter, options, stream: args.stream };
        let searching = Searching {
            args: &args,
            format: files.reasoning_format(),
            usual: P::USUAL,
            needles: &needles,
            search,
        };
        interrupt.begin_steps();
        let windows = usize::from(args.setting.is_empty());
        let mut shown = Shown::new(&interrupt, &needles, settings.len() + windows);
        let searched = searching.all(settings, &mut shown);
        shown.clear();
        match searched? {
            Some(searched) => report::print(&args, &needles, &searched).map(|()| ExitCode::SUCCESS),
            None => {
                note(&format!("interrupted after {}", shown.done()));
                Ok(Interrupt::code())
            }
        }
    }
}

/// The needles, and what looks for them.
struct Searching<'a, B: Backend, K: AttentionKernels<B> + LinearKernels<B>> {
    args: &'a NeedleArgs,
    /// What the model was taught.
    format: Option<&'a ReasoningFormat>,
    /// What is usual on the device.
    usual: Usual,
    needles: &'a [Needle],
    search: Search<'a, B, K>,
}

impl<B: Backend, K: AttentionKernels<B> + LinearKernels<B> + Clone> Searching<'_, B, K> {
    /// Looks for all needles under all settings, and under a window where none is given; `None` after Ctrl-C.
    fn all(&self, settings: Vec<Setting>, shown: &mut Shown<'_>) -> Result<Option<Vec<Searched>>> {
        let mut searched = Vec::new();
        for setting in settings {
            let Some(done) = self.under(&setting, shown)? else { return Ok(None) };
            searched.push(done);
        }
        if let (true, Some(last)) = (self.args.setting.is_empty(), searched.last()) {
            let window = self.args.window(last, self.format, self.usual)?;
            let Some(done) = self.under(&window, shown)? else { return Ok(None) };
            searched.push(done);
        }
        Ok(Some(searched))
    }

    /// Looks for all needles under a setting; `None` after Ctrl-C.
    fn under(&self, setting: &Setting, shown: &mut Shown<'_>) -> Result<Option<Searched>> {
        let mut sought = Vec::new();
        for needle in self.needles {
            let mut observer = |event: Event<'_>| shown.event(setting.name(), &event);
            match self.search.run(needle, setting.settings(), &mut observer)? {
                Some(found) => sought.push(found),
                None => return Ok(None),
            }
            shown.next();
        }
        Ok(Some(Searched { row: NeedleRow::new(setting, &sought), sought }))
    }
}
