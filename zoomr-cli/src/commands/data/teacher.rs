//! The flags that say which model writes summaries, and how it is asked.

use std::{
    env,
    env::VarError,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use serde_json::{Map, Value};
use zoomr_model::{
    data::annotate::{DEFAULT_PROMPT, Prompt, Teacher, TeacherError, TeacherOptions},
    text_file,
};

/// The variable that usually has the key.
const KEY: &str = "OPENAI_API_KEY";
/// The first wait after a request that failed.
const BACK_OFF: Duration = Duration::from_secs(1);

/// A model behind an endpoint.
#[derive(Debug, Args)]
#[command(next_help_heading = "Summaries from an endpoint")]
pub(super) struct TeacherArgs {
    /// Have summaries written by a model behind this OpenAI-compatible address, as in `http://localhost:8000`.
    #[arg(long, value_name = "URL", requires = "model")]
    endpoint: Option<String>,

    /// The model's name there.
    #[arg(long, value_name = "NAME", requires = "endpoint")]
    model: Option<String>,

    /// The environment variable with the key [default: OPENAI_API_KEY; without it, none is sent].
    #[arg(long, value_name = "NAME", requires = "endpoint")]
    key_env: Option<String>,

    /// How many requests may be under way at a time.
    #[arg(long, value_name = "N", default_value = "8", requires = "endpoint")]
    concurrency: NonZeroUsize,

    /// The longest time that a request may take, in seconds.
    #[arg(long, value_name = "SECONDS", default_value = "120", requires = "endpoint")]
    timeout: NonZeroUsize,

    /// How often a request is tried again when the server is busy, broken or silent; each time it waits longer.
    #[arg(long, value_name = "N", default_value_t = 6, requires = "endpoint")]
    retries: u32,

    /// A file with what to ask instead of the question below: {thought} stands for the thought and must be there,
    /// {question} for the problem, {words} for the length allowed.
    #[arg(long, value_name = "FILE", requires = "endpoint")]
    prompt: Option<PathBuf>,

    /// Fields to add to each request, as in '{"temperature": 0.2, "max_tokens": 200}'.
    #[arg(long, value_name = "JSON", requires = "endpoint", value_parser = fields)]
    request: Option<Map<String, Value>>,
}

fn fields(text: &str) -> Result<Map<String, Value>, String> {
    serde_json::from_str(text).map_err(|error| format!("give a JSON object: {error}"))
}

impl TeacherArgs {
    /// The file with what to ask, if there is one.
    pub(super) fn prompt_file(&self) -> Option<&Path> {
        self.prompt.as_deref()
    }

    /// The teacher that the flags describe; `None` without an endpoint.
    ///
    /// # Errors
    /// Names the flag that is of no use, or the variable that is not set.
    pub(super) fn teacher(&self) -> Result<Option<Teacher>> {
        let (Some(endpoint), Some(model)) = (&self.endpoint, &self.model) else { return Ok(None) };
        let options = TeacherOptions {
            endpoint: endpoint.clone(),
            model: model.clone(),
            key: key(self.key_env.as_deref())?,
            prompt: self.prompt()?,
            request: self.request.clone().unwrap_or_default(),
            concurrency: self.concurrency,
            timeout: Duration::from_secs(self.timeout.get() as u64),
            retries: self.retries,
            back_off: BACK_OFF,
        };
        let named = |error| {
            let flag = match error {
                TeacherError::Key => format!("--key-env {}", self.key_env.as_deref().unwrap_or(KEY)),
                TeacherError::Field { .. } => "--request".to_owned(),
                _ => "--endpoint".to_owned(),
            };
            anyhow!("{flag}: {error}")
        };
        Teacher::try_from(options).map(Some).map_err(named)
    }

    fn prompt(&self) -> Result<Prompt> {
        let Some(path) = &self.prompt else { return Ok(Prompt::parse(DEFAULT_PROMPT)?) };
        let template =
            text_file::read(path).with_context(|| format!("--prompt: cannot read {}", path.display()))?;
        Prompt::parse(&template).with_context(|| format!("--prompt: {}", path.display()))
    }
}

/// The key in an environment variable: the one named, which must be there, or the usual one.
fn key(name: Option<&str>) -> Result<Option<String>> {
    match (env::var(name.unwrap_or(KEY)), name) {
        (Ok(key), _) if !key.trim().is_empty() => Ok(Some(key)),
        (Err(VarError::NotUnicode(_)), _) => bail!("{} is no text; set it again", name.unwrap_or(KEY)),
        (_, Some(name)) => bail!("--key-env: the environment variable {name} is not set; export it first"),
        (_, None) => Ok(None),
    }
}
