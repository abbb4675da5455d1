//! Conversations to prompts, by the model's own chat template.
//!
//! A template is a Jinja program that comes with the model: `chat_template.jinja`, or the field
//! `chat_template` of `tokenizer_config.json`, which holds one or several by name. It is run as Hugging Face
//! runs it, with `messages`, `add_generation_prompt` and the special tokens, but within limits: whoever wrote it
//! cannot make it run forever, or take all memory. What it renders spells out special tokens, the first one included: encode it with
//! [`encode_verbatim`](super::tokenizer::Tokenizer::encode_verbatim).

use std::{
    error::Error,
    path::{Path, PathBuf},
};

use minijinja::{ErrorKind, Value};

use super::{jinja, sidecar::FileError, special::SpecialTokens, templates::Templates};

/// What can be wrong with a chat template, or with a conversation given to it.
#[derive(Debug, thiserror::Error)]
pub enum ChatError {
    /// The model has no chat template.
    #[error(
        "the model in {dir} has no chat template (neither chat_template.jinja nor chat_template in \
         tokenizer_config.json): it is not a chat model; run without --chat"
    )]
    None {
        /// The model directory.
        dir: PathBuf,
    },
    /// There are templates by name, and none is the default.
    #[error(
        "{path} has chat templates {names}, but none named \"default\"; keep the one you want as chat_template.jinja"
    )]
    NoDefault {
        /// The file.
        path: PathBuf,
        /// The names there are.
        names: String,
    },
    /// A file cannot be read or is not valid JSON.
    #[error(transparent)]
    File(#[from] FileError),
    /// The template is not valid Jinja.
    #[error(
        "the chat template in {path} is not valid: {source}; run without --chat, or correct the template"
    )]
    Syntax {
        /// The file.
        path: PathBuf,
        /// What the template engine says.
        source: minijinja::Error,
    },
    /// The template would take too much time or memory.
    #[error(
        "the chat template in {path} passes a limit: {limit}; run without --chat, or correct the template"
    )]
    Limit {
        /// The file.
        path: PathBuf,
        /// The limit.
        limit: String,
    },
    /// The template itself refused the conversation.
    #[error("the chat template in {path} refuses these messages: {message}")]
    Refused {
        /// The file.
        path: PathBuf,
        /// The template's words.
        message: String,
    },
    /// The template cannot be run on the conversation.
    #[error(
        "the chat template in {path} cannot be rendered: {source}; run without --chat, or correct the template"
    )]
    Render {
        /// The file.
        path: PathBuf,
        /// What the template engine says.
        source: minijinja::Error,
    },
}

/// One turn of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Who speaks: `system`, `user`, `assistant`, or whatever else the template knows.
    pub role: String,
    /// What is said.
    pub content: String,
}

impl Message {
    /// A turn of the user's.
    pub fn user(content: impl Into<String>) -> Self {
        Self { role: "user".into(), content: content.into() }
    }

    /// A turn of the model's.
    pub fn assistant(content: impl Into<String>) -> Self {
        Self { role: "assistant".into(), content: content.into() }
    }

    /// What the model is told before the conversation.
    pub fn system(content: impl Into<String>) -> Self {
        Self { role: "system".into(), content: content.into() }
    }

    fn to_value(&self) -> Value {
        Value::from_pairs([("role", &self.role), ("content", &self.content)])
    }
}

/// A model's chat template, ready to render.
#[derive(Debug)]
pub struct ChatTemplate {
    path: PathBuf,
    program: jinja::Program,
    special: Vec<(String, String)>,
}

impl ChatTemplate {
    /// Reads the chat template of a model directory; `chat_template.jinja` comes before
    /// `tokenizer_config.json`.
    ///
    /// # Errors
    /// [`ChatError`] where there is none, or none that can be used.
    pub fn from_dir(dir: &Path) -> Result<Self, ChatError> {
        let none = || ChatError::None { dir: dir.to_owned() };
        let Templates { path, mut named } = Templates::from_dir(dir)?.ok_or_else(none)?;
        let Some(source) = named.remove("default") else {
            let names = named.into_keys().collect::<Vec<_>>().join(", ");
            return Err(ChatError::NoDefault { path, names });
        };
        let special = SpecialTokens::from_dir(dir)?.into_texts();
        match jinja::Program::parse(&source) {
            Ok(program) => Ok(Self { path, program, special }),
            Err(source) => match cause(&source) {
                Some(jinja::Limit::Steps) | None => Err(ChatError::Syntax { path, source }),
                Some(limit) => Err(ChatError::Limit { path, limit: limit.to_string() }),
            },
        }
    }

    /// The text of a conversation, as the model was trained to read it.
    ///
    /// `add_generation_prompt` appends what comes before an answer (`<|im_start|>assistant`, say).
    ///
    /// # Errors
    /// [`ChatError::Refused`] where the template says so (roles that do not alternate, say),
    /// [`ChatError::Limit`] where it takes too much, and [`ChatError::Render`] where it fails.
    pub fn render(&self, messages: &[Message], add_generation_prompt: bool) -> Result<String, ChatError> {
        let fixed = [
            ("messages", messages.iter().map(Message::to_value).collect()),
            ("add_generation_prompt", Value::from(add_generation_prompt)),
            // Templates test these for truth without asking whether they are defined.
            ("tools", Value::from(())),
            ("documents", Value::from(())),
        ];
        let special = self.special.iter().map(|(name, text)| (name.as_str(), Value::from(text.as_str())));
        let context = Value::from_pairs(special.chain(fixed));
        let given = messages.iter().map(|message| message.role.len() + message.content.len()).sum();
        self.program.render(context, given).map_err(|error| self.render_error(error))
    }

    fn render_error(&self, source: minijinja::Error) -> ChatError {
        let path = self.path.clone();
        if let Some(jinja::Raised(message)) = cause(&source) {
            return ChatError::Refused { path, message: message.clone() };
        }
        match cause(&source) {
            Some(limit) => ChatError::Limit { path, limit: jinja::Limit::to_string(limit) },
            None if is_out_of_fuel(&source) => {
                ChatError::Limit { path, limit: jinja::Limit::Steps.to_string() }
            }
            None => ChatError::Render { path, source },
        }
    }
}

/// The cause of a kind, however deep in macros it came about.
fn cause<T: Error + 'static>(error: &minijinja::Error) -> Option<&T> {
    let mut next: Option<&(dyn Error + 'static)> = error.source();
    while let Some(cause) = next {
        if let Some(found) = cause.downcast_ref() {
            return Some(found);
        }
        next = cause.source();
    }
    None
}

fn is_out_of_fuel(error: &minijinja::Error) -> bool {
    error.kind() == ErrorKind::OutOfFuel || cause::<minijinja::Error>(error).is_some_and(is_out_of_fuel)
}
